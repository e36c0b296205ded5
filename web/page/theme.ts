// Light, dark, or whatever the system says.

const themes = ["auto", "light", "dark"] as const;
const key = "pastel-theme";

/** Applies the stored theme and lets the button walk through the three. */
export function startTheme(button: HTMLButtonElement): void {
  let i = Math.max(
    0,
    themes.findIndex((t) => t === localStorage.getItem(key)),
  );
  const apply = () => {
    const theme = themes[i]!;
    document.documentElement.dataset["theme"] = theme;
    button.textContent = `Theme: ${theme}`;
    button.setAttribute("aria-label", `Colour theme: ${theme === "auto" ? "automatic" : theme}`);
  };
  button.onclick = () => {
    i = (i + 1) % themes.length;
    localStorage.setItem(key, themes[i]!);
    apply();
  };
  apply();
}
