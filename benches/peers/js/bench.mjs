// The harness of the Node peers: bench.mjs WORKLOAD WARM REPETITIONS SIZE…
// prints the nanoseconds (wall, processor) of each timed repetition, then the result.
const [workload, warm, repetitions, ...sizes] = process.argv.slice(2);
const { run } = await import(`./${workload}.mjs`);
const args = sizes.map(Number);
let result;
for (let i = 0; i < warm; i++) result = run(...args);
for (let i = 0; i < repetitions; i++) {
  const cpu = process.cpuUsage();
  const wall = process.hrtime.bigint();
  result = run(...args);
  const ns = process.hrtime.bigint() - wall;
  const used = process.cpuUsage(cpu);
  console.log(`time ${ns} ${(used.user + used.system) * 1000}`);
}
console.log(`result ${result}`);
