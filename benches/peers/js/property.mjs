export function run(n) {
  const object = { count: 0 };
  for (let i = 0; i < n; i++) object.count = object.count + 1;
  return object.count;
}
