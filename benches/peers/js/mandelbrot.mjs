export function run(n) {
  let rounds = 0;
  for (let y = 0; y < n; y++) {
    const ci = (2 * y) / n - 1;
    for (let x = 0; x < n; x++) {
      const cr = (3 * x) / n - 2;
      let zr = 0, zi = 0, zr2 = 0, zi2 = 0, i = 0;
      do {
        zi = zi * zr * 2 + ci;
        zr = zr2 - zi2 + cr;
        zr2 = zr * zr;
        zi2 = zi * zi;
        i++;
      } while (i < 50 && zr2 + zi2 <= 4);
      rounds += i;
    }
  }
  return rounds;
}
