// Browsers without `using` lack the symbol too. Imported by modules whose classes have a method of this name.
Reflect.set(Symbol, "dispose", Symbol.dispose ?? Symbol.for("Symbol.dispose"));
