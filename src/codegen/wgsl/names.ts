/**
 * Identifiers for the names of a plan. Each has an underscore, which our own variables and WGSL's words do not have, so a neuron may call a state
 * `fn` or `thread`; and no two are alike, whatever underscores the neuron's names have.
 */
export class Names {
  readonly #found = new Map<string, string>();
  readonly #taken = new Set<string>();

  /** `v_`, or with a suffix `v_buffer`; the same question has the same answer. */
  of(name: string, suffix = ""): string {
    const key = `${name} ${suffix}`;
    const found = this.#found.get(key);
    if (found) return found;
    let identifier = `${name.replaceAll(".", "_")}_${suffix}`;
    while (this.#taken.has(identifier)) identifier += "_";
    this.#taken.add(identifier);
    this.#found.set(key, identifier);
    return identifier;
  }
}
