// The forty lines of IndexedDB that storage needs: open, and one transaction
// as a promise. It must not know what is stored.

/** Opens database `name`, creating the object stores that do not exist yet. */
export function openDatabase(name: string, version: number, stores: readonly string[]): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, version);
    request.onupgradeneeded = () => {
      const db = request.result;
      for (const s of stores) if (!db.objectStoreNames.contains(s)) db.createObjectStore(s);
    };
    request.onsuccess = () => {
      const db = request.result;
      // Another tab deletes or upgrades: let go at once, or its request blocks for ever.
      db.onversionchange = () => db.close();
      resolve(db);
    };
    request.onerror = () => reject(request.error);
  });
}

/**
 * Runs `body` in one transaction on one object store and resolves with the
 * result of the request that `body` returns, after the transaction committed.
 * Rejects with the transaction's error: a full disk shows only here, as a
 * DOMException named QuotaExceededError.
 */
export function transact<T>(
  db: IDBDatabase,
  store: string,
  mode: IDBTransactionMode,
  body: (s: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const tx = db.transaction(store, mode);
    const request = body(tx.objectStore(store));
    tx.oncomplete = () => resolve(request.result);
    tx.onabort = () => reject(tx.error ?? request.error);
    tx.onerror = () => reject(tx.error ?? request.error);
  });
}
