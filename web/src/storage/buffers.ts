/**
 * Gives back the memory behind bytes at once. Left to the garbage collector, chunks of
 * megabytes still count while the model beside them takes its place.
 */
export function release(bytes: Uint8Array<ArrayBuffer>): void {
  // Browsers before 2024 have no transfer; there the collector does it.
  (bytes.buffer as { transfer?: (n: number) => ArrayBuffer }).transfer?.(0);
}
