/** Operators on numbers, and what to write instead between expressions. */
interface Operator<Result> {
  compute(a: number, b: number): Result;
  method: string;
}

export const arithmetic: Readonly<Record<string, Operator<number> | undefined>> = {
  __proto__: null as never,
  "+": { compute: (a, b) => a + b, method: "a.add(b)" },
  "-": { compute: (a, b) => a - b, method: "a.sub(b)" },
  "*": { compute: (a, b) => a * b, method: "a.mul(b)" },
  "/": { compute: (a, b) => a / b, method: "a.div(b)" },
  "**": { compute: (a, b) => a ** b, method: "square(a)" },
};

export const comparisons: Readonly<Record<string, Operator<boolean> | undefined>> = {
  __proto__: null as never,
  "<": { compute: (a, b) => a < b, method: "a.less(b)" },
  "<=": { compute: (a, b) => a <= b, method: "a.lessEqual(b)" },
  ">": { compute: (a, b) => a > b, method: "a.greater(b)" },
  ">=": { compute: (a, b) => a >= b, method: "a.greaterEqual(b)" },
  "===": { compute: (a, b) => a === b, method: "a.equal(b)" },
  "!==": { compute: (a, b) => a !== b, method: "a.notEqual(b)" },
};
