import type { Tensor } from "./device.ts";

/** What was made since the innermost `freeingMade` began. */
let made: Tensor[] | undefined;

/** Every tensor is told here when it is made. */
export const noteMade = (tensor: Tensor): void => void made?.push(tensor);

/** Runs `work`. If it fails by itself, not by a call of this inside it, what it made is freed; what such calls made that did not fail is theirs. */
export function freeingMade<T>(work: () => T, byItself: (error: unknown) => boolean): T {
  const outer = made;
  const mine: Tensor[] = (made = []);
  try {
    return work();
  } catch (error) {
    if (byItself(error)) for (const tensor of mine) tensor.dispose();
    throw error;
  } finally {
    made = outer;
  }
}
