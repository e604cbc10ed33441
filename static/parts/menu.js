import { html, Icon, useId, useRef, useState } from "../lib/html.js";
import { Button } from "./button.js";

/**
 * A button that opens a list of things to do. `items`: `{icon, text, run or href, isDangerous,
 * disabled, reason, checked (one of several), isOn}`, null for what does not apply, "-" for a line.
 */
export function Menu({ label, icon = "ellipsis-vertical", items, kind = "quiet", children }) {
  const id = useId();
  const list = useRef(null);
  const button = useRef(null);
  // Drawn once it is asked for: a list of accounts has hundreds of these.
  const [isDrawn, setDrawn] = useState(false);
  const shown = isDrawn ? items.filter(Boolean) : [];
  const things = () => [...list.current.querySelectorAll("[role^=menuitem]")];

  function place() {
    const from = button.current.getBoundingClientRect();
    const menu = list.current;
    const { offsetWidth: width, offsetHeight: height } = menu;
    const left = Math.max(8, Math.min(from.right - width, innerWidth - width - 8));
    const under = from.bottom + 4;
    const top = Math.max(8, Math.min(under + height > innerHeight - 8 ? from.top - 4 - height : under, innerHeight - height - 8));
    menu.style.left = `${left}px`;
    menu.style.top = `${top}px`;
    menu.style.visibility = "visible";
  }
  // Unseen until it has its place.
  function opens(event) {
    if (event.newState !== "open") return;
    setDrawn(true);
    list.current.style.visibility = "hidden";
  }
  function toggled(event) {
    const isOpen = event.newState === "open";
    button.current.querySelector("button").setAttribute("aria-expanded", String(isOpen));
    if (isOpen) {
      place();
      (things().find((one) => one.getAttribute("aria-checked") === "true") ?? things()[0])?.focus();
      addEventListener("scroll", shut, { once: true, capture: true });
    } else {
      setDrawn(false);
    }
  }
  const shut = () => list.current?.matches(":popover-open") && list.current.hidePopover();
  function key(event) {
    const all = things();
    const at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (event.key === "Tab") return shut();
    if (to === undefined) return;
    event.preventDefault();
    all[(to + all.length) % all.length]?.focus();
  }
  const stateOf = (item) => item.checked ?? item.isOn;
  const roleOf = (item) => (item.checked !== undefined ? "menuitemradio" : item.isOn !== undefined ? "menuitemcheckbox" : "menuitem");
  function choose(item, event) {
    if (item.disabled) return event.preventDefault();
    shut();
    item.run?.();
  }
  return html`<span class="menu-anchor" ref=${button}>
    <${Button} kind=${kind} icon=${icon} label=${children ? undefined : label} aria-haspopup="menu" aria-expanded="false" aria-controls=${id} popovertarget=${id}>${children}<//>
    <div id=${id} ref=${list} popover="auto" role="menu" aria-label=${label} class="menu" onBeforeToggle=${opens} onToggle=${toggled} onKeyDown=${key}>
      ${shown.map((item) => item === "-" ? html`<hr role="separator" />` : html`<${item.href ? "a" : "button"}
        role=${roleOf(item)} aria-checked=${stateOf(item) === undefined ? undefined : String(stateOf(item))}
        type=${item.href ? undefined : "button"} href=${item.href} target=${item.target} tabindex="-1" class=${item.isDangerous ? "danger" : ""}
        aria-disabled=${item.disabled ? "true" : undefined} onClick=${(event) => choose(item, event)}>
        ${stateOf(item) || item.icon ? html`<${Icon} name=${stateOf(item) ? "check" : item.icon} size=${18} />` : html`<i class="icon-space" />`}<span>${item.text}${item.reason && html`<small>${item.reason}</small>`}</span>
      <//>`)}
    </div>
  </span>`;
}
