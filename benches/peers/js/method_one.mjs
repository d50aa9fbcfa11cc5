class Counter {
  constructor() {
    this.n = 0;
  }

  bump(k) {
    this.n += k;
    return this.n;
  }
}

export function run(n) {
  const counter = new Counter();
  for (let i = 0; i < n; i++) counter.bump(1);
  return counter.n;
}
