const a = (i, j) => 1 / (((i + j) * (i + j + 1)) / 2 + i + 1);

function mulAV(n, v, av) {
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += a(i, j) * v[j];
    av[i] = sum;
  }
}

function mulAtV(n, v, atv) {
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += a(j, i) * v[j];
    atv[i] = sum;
  }
}

export function run(n) {
  const u = [], v = [], w = [];
  for (let i = 0; i < n; i++) {
    u.push(1);
    v.push(0);
    w.push(0);
  }
  for (let i = 0; i < 10; i++) {
    mulAV(n, u, w);
    mulAtV(n, w, v);
    mulAV(n, v, w);
    mulAtV(n, w, u);
  }
  let uv = 0, vv = 0;
  for (let i = 0; i < n; i++) {
    uv += u[i] * v[i];
    vv += v[i] * v[i];
  }
  return Math.sqrt(uv / vv);
}
