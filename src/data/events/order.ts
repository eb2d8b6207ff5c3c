/** How many events are earlier than the one before. */
export function countBackwards(t: Float64Array): number {
  let count = 0;
  for (let i = 1; i < t.length; i++) if (t[i] < t[i - 1]) count++;
  return count;
}

/**
 * The places of the events in the order of time; those of one time in the order that they have. A merge sort that needs half as much memory again, and
 * is quick where nearly all is in order: sort() of typed arrays copies its elements into objects.
 */
export function orderOfTime(t: Float64Array): Uint32Array {
  const order = new Uint32Array(t.length);
  for (let i = 0; i < order.length; i++) order[i] = i;
  mergeSort(order, t, 0, order.length, new Uint32Array((order.length + 1) >> 1));
  return order;
}

function mergeSort(order: Uint32Array, t: Float64Array, start: number, end: number, left: Uint32Array): void {
  if (end - start < 2) return;
  const middle = (start + end) >>> 1;
  mergeSort(order, t, start, middle, left);
  mergeSort(order, t, middle, end, left);
  if (t[order[middle - 1]] <= t[order[middle]]) return;
  const count = middle - start;
  for (let i = 0; i < count; i++) left[i] = order[start + i];
  let i = 0, j = middle, at = start;
  while (i < count && j < end) order[at++] = t[order[j]] < t[left[i]] ? order[j++] : left[i++];
  while (i < count) order[at++] = left[i++];
}

/** Moves the values of each array to the given order, in place; `order` is used up. */
export function reorder(arrays: readonly (Uint8Array | Uint16Array | Float64Array)[], order: Uint32Array): void {
  const carried = new Float64Array(arrays.length);
  for (let start = 0; start < order.length; start++) {
    if (order[start] === start) continue;
    arrays.forEach((array, k) => (carried[k] = array[start]));
    let at = start;
    while (order[at] !== start) {
      const from = order[at];
      for (const array of arrays) array[at] = array[from];
      order[at] = at;
      at = from;
    }
    arrays.forEach((array, k) => (array[at] = carried[k]));
    order[at] = at;
  }
}
