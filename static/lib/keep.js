// What the browser keeps: preferences and drafts, never anything secret. Storage may be off or
// full; what was to be kept then lasts as long as the page.

const NAME = "andante.";

function shelf(storage) {
  const spare = new Map();
  return {
    get(key, otherwise = null) {
      try {
        const kept = storage().getItem(NAME + key);
        return kept === null ? (spare.get(key) ?? otherwise) : JSON.parse(kept);
      } catch {
        return spare.get(key) ?? otherwise;
      }
    },
    set(key, value) {
      spare.set(key, value);
      try {
        storage().setItem(NAME + key, JSON.stringify(value));
      } catch { /* as above */ }
    },
    remove(key) {
      spare.delete(key);
      try {
        storage().removeItem(NAME + key);
      } catch { /* as above */ }
    },
  };
}

/** For good, on this device. */
export const kept = shelf(() => localStorage);
/** As long as this tab. */
export const held = shelf(() => sessionStorage);

/** A word that is kept as it is, since scripts before the modules, and the pairing page, read it. */
export function keptWord(key) {
  try {
    return localStorage.getItem(NAME + key);
  } catch {
    return null;
  }
}

export function keepWord(key, word) {
  try {
    localStorage.setItem(NAME + key, word);
  } catch { /* as above */ }
}

/** Forgets what somebody wrote and left here; whoever comes next at this browser does not find it. */
export function forget(userId) {
  if (!userId) return;
  for (const storage of [() => localStorage, () => sessionStorage]) {
    try {
      for (const key of Object.keys(storage())) if (key.startsWith(NAME) && key.endsWith(`.${userId}`)) storage().removeItem(key);
    } catch { /* as above */ }
  }
}
