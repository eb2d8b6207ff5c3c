export function probe(): i32 { return RELAXED; }
