// The page's HTML, from the data that web.js gathered.
'use strict';

const money = (cents) => `${(cents / 100).toFixed(2)} €`;
const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const STYLE = `
:root { color-scheme: light dark; --ink: #2b2622; --soft: #7a7068; --paper: #faf6ef; --card: #fff; --line: #e6ddd0; --accent: #b4472f; }
@media (prefers-color-scheme: dark) { :root { --ink: #efe8dd; --soft: #a89d90; --paper: #1d1a17; --card: #282420; --line: #3a342e; --accent: #e07a5f; } }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
header { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: baseline; padding: 1.5rem clamp(1rem, 5vw, 4rem); border-bottom: 1px solid var(--line); }
h1 { font: 600 1.7rem/1.2 Georgia, serif; margin: 0; }
h2 { font: 600 1.15rem/1.3 Georgia, serif; margin: 0 0 .8rem; }
header p { margin: 0; color: var(--soft); }
.badge { margin-left: auto; font-size: .85rem; border: 1px solid var(--line); border-radius: 99px; padding: .15rem .8rem; background: var(--card); }
main { display: grid; grid-template-columns: minmax(0, 1fr) minmax(15rem, 20rem); gap: 2rem; padding: 1.5rem clamp(1rem, 5vw, 4rem) 4rem; }
@media (max-width: 46rem) { main { grid-template-columns: 1fr; } }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 1rem; }
.card, aside section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; }
.swatch { height: 5.5rem; background-image: repeating-linear-gradient(45deg, #fff2 0 6px, #0000 6px 12px), repeating-linear-gradient(-45deg, #0001 0 6px, #0000 6px 12px); }
.card div.text { padding: .7rem .9rem .9rem; }
.card strong { display: block; }
.card small { color: var(--soft); display: block; min-height: 1.5em; }
.row { display: flex; justify-content: space-between; align-items: center; gap: .5rem; margin-top: .4rem; }
button { font: inherit; font-size: .9rem; color: #fff; background: var(--accent); border: 0; border-radius: 8px; padding: .3rem .8rem; cursor: pointer; }
button.quiet { background: none; color: var(--soft); padding: 0; text-decoration: underline; }
button:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px; }
aside section { padding: 1rem 1.1rem; margin-bottom: 1rem; }
ul { list-style: none; margin: 0; padding: 0; }
li { display: flex; justify-content: space-between; padding: .25rem 0; border-bottom: 1px dashed var(--line); }
.total { display: flex; justify-content: space-between; font-weight: 600; padding-top: .6rem; }
.empty { color: var(--soft); margin: 0; }`;

function card(product) {
  return `<article class="card"><div class="swatch" style="background-color:${escape(product.colour)}"></div>
<div class="text"><strong>${escape(product.name)}</strong><small>${escape(product.note || '')}</small>
<form method="post" action="/cart" class="row"><span>${money(product.cents)}</span>
<input type="hidden" name="sku" value="${escape(product.sku)}"><button aria-label="Add ${escape(product.name)} to the cart">Add</button></form></div></article>`;
}

function cartSection(data) {
  const names = new Map(data.products.map((p) => [p.sku, p.name]));
  const lines = Object.entries(data.items);
  if (lines.length === 0) return '<p class="empty">Still empty.</p>';
  const rows = lines.map(([sku, n]) => `<li><span>${escape(names.get(sku) || sku)}</span><span>× ${n}</span></li>`).join('');
  const discount = data.price.discount_cents > 0
      ? `<li><span>Discount</span><span>− ${money(data.price.discount_cents)}</span></li>` : '';
  return `<ul>${rows}${discount}</ul><div class="total"><span>Total</span><span>${money(data.price.cents)}</span></div>
<form method="post" action="/cart/empty"><button class="quiet">Empty the cart</button></form>`;
}

function render(data) {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Warp &amp; Thread</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>${STYLE}</style></head><body>
<header><h1>Warp &amp; Thread</h1><p>Yarn, cloth and what holds them together</p>
<span class="badge">catalog <b>${escape(data.catalog_version)}</b> answered</span></header>
<main><section><h2>Products</h2><div class="grid">${data.products.map(card).join('')}</div></section>
<aside><section><h2>Your cart</h2>${cartSection(data)}</section>
<section><h2>Goes well with it</h2><ul>${data.recommended.map((p) =>
      `<li><span>${escape(p.name)}</span><span>${money(p.cents)}</span></li>`).join('')}</ul></section></aside></main></body></html>\n`;
}

module.exports = {render};
