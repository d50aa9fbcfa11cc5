const makeAdder = (k) => (x) => x + k;

export function run(n) {
  const add = makeAdder(0.5);
  let sum = 0;
  for (let i = 0; i < n; i++) sum = add(sum);
  return sum;
}
