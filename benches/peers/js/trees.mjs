const make = (depth) =>
  depth === 0 ? { left: null, right: null } : { left: make(depth - 1), right: make(depth - 1) };

const check = (tree) => (tree.left === null ? 1 : check(tree.left) + check(tree.right) + 1);

export function run(n) {
  let nodes = check(make(n + 1));
  const longLived = make(n);
  for (let depth = 4; depth <= n; depth += 2) {
    const trees = 2 ** (n - depth + 4);
    for (let i = 0; i < trees; i++) nodes += check(make(depth));
  }
  return nodes + check(longLived);
}
