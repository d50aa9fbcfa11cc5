export function run(n) {
  const flags = [];
  for (let i = 0; i <= n; i++) flags.push(true);
  for (let i = 2; i * i <= n; i++) {
    if (flags[i]) {
      for (let j = i * i; j <= n; j += i) flags[j] = false;
    }
  }
  let primes = 0;
  for (let i = 2; i <= n; i++) {
    if (flags[i]) primes++;
  }
  return primes;
}
