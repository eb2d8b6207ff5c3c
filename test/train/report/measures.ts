import type { Page } from "playwright-core";

/** Of everything on the page since it began to load, as in Cumulative Layout Shift. */
export const layoutShift = (page: Page): Promise<number> =>
  page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        let sum = 0;
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) sum += (entry as PerformanceEntry & { value: number }).value;
        }).observe({ type: "layout-shift", buffered: true });
        setTimeout(() => resolve(sum), 100);
      }),
  );

/** Pixels by which the page is wider than its window. */
export const sidewaysOverflow = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** Texts that reach out of the card they are in and cannot be scrolled to. */
export const textsOutsideCards = (page: Page): Promise<string[]> =>
  page.evaluate(() =>
    [...document.querySelectorAll(".card:not(.scroll) :is(th, td, h3, h4, b, span, p, caption, figcaption), .figures *")]
      .filter((element) => !element.closest(".scroll"))
      .filter((element) => {
        const [own, card] = [element, element.closest(".card, .figures")!].map((e) => e.getBoundingClientRect());
        return own.width > 0 && (own.right > card.right + 0.5 || own.left < card.left - 0.5);
      })
      .map(({ textContent }) => textContent ?? ""),
  );

/** Texts whose contrast with what is behind them is below 4.5, which WCAG 2.2 asks for (success criterion 1.4.3). */
export const paleTexts = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const channels = (colour: string) => colour.match(/[\d.]+/g)!.map(Number);
    const linear = (value: number) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const luminance = (colour: string) => {
      const [r, g, b] = channels(colour).map((value) => linear(value / 255));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const background = (element: Element): string => {
      const colour = getComputedStyle(element).backgroundColor;
      return channels(colour)[3] === 0 && element.parentElement ? background(element.parentElement) : colour;
    };
    return [...document.querySelectorAll("body *")]
      .filter((element) => element.getClientRects().length > 0 && [...element.childNodes].some(({ nodeType, nodeValue }) => nodeType === Node.TEXT_NODE && nodeValue!.trim()))
      .filter((element) => {
        const [dark, light] = [getComputedStyle(element).color, background(element)].map(luminance).toSorted((a, b) => a - b);
        return (light + 0.05) / (dark + 0.05) < 4.5;
      })
      .map(({ textContent }) => textContent ?? "");
  });
