/** What each of several ranks has of a batch: samples that follow one another, one more on the first ranks where they cannot be as many on all; none where there are fewer than ranks. */
export function shareOf(all: number, { rank, size }: { rank: number; size: number }): { first: number; own: number } {
  const [base, more] = [Math.floor(all / size), all % size];
  return { first: rank * base + Math.min(rank, more), own: base + (rank < more ? 1 : 0) };
}
