class Square {
  constructor(side) { this.side = side; }
  area(x) { return this.side * this.side + x; }
}
class Rectangle {
  constructor(width, height) { this.width = width; this.height = height; }
  area(x) { return this.width * this.height + x; }
}
class Triangle {
  constructor(base, height) { this.base = base; this.height = height; }
  area(x) { return this.base * this.height * 0.5 + x; }
}
class Circle {
  constructor(radius) { this.radius = radius; }
  area(x) { return this.radius * this.radius * 3 + x; }
}

export function run(n) {
  const shapes = [new Square(2), new Rectangle(3, 4), new Triangle(5, 6), new Circle(7)];
  let sum = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < 4; j++) sum += shapes[j].area(i);
  }
  return sum;
}
