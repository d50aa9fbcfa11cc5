export function run(n) {
  const piece = "ion";
  let text = "";
  for (let i = 0; i < n; i++) text += piece;
  return text === piece.repeat(n) ? text.length : 0;
}
