// Signed pools: who published a manifest, checked by the browser's own Ed25519.

import { BadRequestError, HashError, UnsupportedError } from "./errors.js";

/** Bytes of an Ed25519 signature. */
export const signatureBytes = 64;

/** Reads a public key of 64 hex digits. Rejects with BadRequestError, or UnsupportedError where the browser has no Ed25519. */
export async function publicKeyOf(hex: string): Promise<CryptoKey> {
  if (!/^[0-9a-fA-F]{64}$/.test(hex)) {
    throw new BadRequestError("ERR_BAD_REQUEST", "pool: a public key is 64 hex digits");
  }
  const raw = Uint8Array.from(hex.match(/../g)!, (byte) => parseInt(byte, 16));
  try {
    return await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
  } catch (cause) {
    const options = { cause };
    throw new UnsupportedError(
      "ERR_UNSUPPORTED_BROWSER",
      "pool: this browser cannot check an Ed25519 signature",
      options,
    );
  }
}

/** Rejects with HashError unless the signature is the key's, of exactly these bytes. */
export async function checkSignature(
  key: CryptoKey,
  signature: Uint8Array<ArrayBuffer>,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  if (!(await crypto.subtle.verify("Ed25519", key, signature, bytes))) {
    throw new HashError("ERR_HASH", "pool: pool.json is not signed with the key the page demands");
  }
}
