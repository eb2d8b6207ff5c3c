/** FNV-1a (RFC 9923), 32 bits in hexadecimal: any single changed byte changes it. */
export function fnv1a(...parts: readonly Uint8Array[]): string {
  let hash = 0x811c9dc5;
  for (const part of parts) for (let i = 0; i < part.length; i++) hash = Math.imul(hash ^ part[i], 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
