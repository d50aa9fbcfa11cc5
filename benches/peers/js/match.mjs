function step(order, state) {
  const [tag, x] = order;
  switch (tag) {
    case "add": return state + x;
    case "sub": return state - x;
    case "mul": return state * x;
    case "div": return state / x;
    case "from": return x - state;
    case "least": return state < x ? state : x;
    case "most": return state > x ? state : x;
    case "half": return state * 0.5 + x;
    default: return state;
  }
}

export function run(n) {
  const orders = [
    ["add", 3], ["sub", 1], ["mul", 2], ["div", 4],
    ["from", 10], ["least", 100], ["most", -100], ["half", 1],
  ];
  let state = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < 8; j++) state = step(orders[j], state);
  }
  return state;
}
