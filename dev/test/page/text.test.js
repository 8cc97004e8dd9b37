import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLinks, length, tidy, validate } from '../../../public/js/text.js';
import { randomFrom } from './random.js';

/** The addresses that become links, as they stand in the text. */
const linksIn = (text) => findLinks(text).map(({ from, to }) => text.slice(from, to));

test('a link ends where its address does: what people have reported elsewhere', () => {
  // ⟨ ⟩ are around what must become links; a text without them has none.
  for (const marked of [
    // Bluesky (social-app#6927, atproto#2449, #3142, #4120)
    "I like ⟨https://wiki.vg⟩'s logo",
    'I like ⟨https://wiki.vg⟩’s logo',
    "'⟨https://bsky.app⟩'",
    'Check this out.⟨https://afterdot.com⟩.',
    '⟨HTTPS://google.com⟩ ⟨https://ko-fi.com⟩ ⟨https://日本語.jp⟩',
    '【⟨https://example.com/a⟩】',
    // Mastodon (#5654, #6031, #6121, #7340, #8408, #9993, #25150, #30860), Tuba (#883)
    '⟨https://github.com⟩。⟨https://github.com/tootsuite/mastodon⟩。次',
    '⟨http://example.com/foo()⟩',
    '⟨http://example.com/foo().html⟩',
    '⟨http://example.com/foo()⟩.',
    '(See ⟨http://example.com/foo()⟩.)',
    '(see ⟨http://example.com/foo().html⟩).',
    '⟨https://github.com/tootsuite/mastodon/search?utf8=✓&q=joinmastodon.org&type=⟩',
    '⟨https://example.com/?q=自由^2⟩ x',
    '⟨https://example.com/a⟩\u3000x「⟨https://example.com/b⟩」',
    '⟨https://www.youtube.com/@⟩ x',
    "extend ⟨https://foo_bar_baz⟩'s proposed UX",
    // linkify-it (#26, #46, #116), linkifyjs (#400, #460), Autolinker (#297, #394), Zulip (#7740)
    '<⟨http://domain.com/foo_bar_(wiki)⟩>',
    'sometext｜⟨https://www.dancedeets.com⟩',
    '（Scoped ⟨http://example.com/foo_bar⟩）',
    "⟨http://foo.com/blah_blah_{I'm_king}⟩",
    '⟨http://foo.com/blah_blah⟩"doublequoted"',
    "⟨http://www.kmart.com/bestway-10'-x-30inch⟩",
    '⟨https://ja.wikipedia.org/wiki/Tick,_tick...BOOM!:_チック⟩、チック',
    '⟨https://ja.wikipedia.org/wiki/Yahoo!#ドットコムバブル（2000年_-_2001年）⟩',
    '链接:⟨https://www.google.com⟩ こちら→⟨https://google.com⟩ 日本語⟨http://example.com/⟩',
    // steemit#424, showdown#308, markdig#165, cmark-gfm#297, fimfiction#66, ox-content#1138
    '⟨https://steemit.com/blockchain/@blockchainblonde/why⟩.',
    'I found it at ⟨http://www.travefy.com⟩!',
    '⟨http://www.travefy.com⟩!/foo',
    '(⟨https://example.com/bar⟩) と 全角（⟨https://example.com/baz⟩）です。⟨https://example.com/qux⟩、続き',
    // The issue that asked for this, and its neighbours
    '「⟨https://example.com⟩」と', '⟨https://example.com⟩、と', '⟨https://example.com⟩🎉', '⟨https://example.com⟩を見て', '⟨https://example.com:8080⟩です',
    '[⟨https://example.com/a⟩]', '[a](⟨https://example.com/a⟩)', '`⟨https://example.com/a⟩`', '**⟨https://example.com/a⟩**と', '_⟨https://example.com/a_b⟩_', '~~⟨https://example.com/~u⟩~~',
    '⟨https://a.example/x⟩,⟨https://b.example/y⟩', '⟨https://a.example⟩|⟨https://b.example⟩', '⟨https://a.example/x⟩→⟨https://b.example/y⟩',
    '⟨https://web.archive.org/web/2020/https://example.com/⟩', '⟨https://a.example/?to=https://b.example/⟩',
    '⟨https://ja.wikipedia.org/wiki/レオナルド・ダ・ヴィンチ⟩。', '⟨https://ca.wikipedia.org/wiki/Col·lecció⟩·', '⟨https://youtu.be/abcdefghi_-⟩ x',
    "⟨https://a.example/x⟩' ⟨https://a.example/x⟩^ x", '⟨https://a.example/x⟩(see here)', '⟨https://a.example/x⟩(a]b)', '⟨https://a.example/x⟩（a。）',
    '⟨https://example.com⟩. ⟨https://example.com./x⟩ ⟨https://example.com⟩: ⟨https://example.com/⟩?', '⟨http://[::1]:3000/a⟩ ⟨http://127.0.0.1⟩を', '⟨https://a.example/a%20(b)?c[]=d#e⟩.',
    '⟨https://example.com/a⟩\u200bb', '⟨https://example.com/a⟩\u115fb', '⟨https://example.com/a⟩\ufff9b', '⟨https://example.com/❤\ufe0f/a⟩', '⟨https://example⟩\u034f.com',
    'https://', 'https://.', 'https:///a.example', 'https://-', 'ftp://a.example', 'https://a.example:99999',
  ]) {
    const text = marked.replace(/[⟨⟩]/g, '');
    const want = [...marked.matchAll(/⟨([^⟩]*)⟩/g)].map(([, address]) => address);
    assert.deepEqual(linksIn(text), want, text);
  }
});

/** The marks of each script that stand directly around an address, and letters that may follow them without a space. */
const scripts = {
  ASCII: { pairs: ['()', '[]', '{}', '<>', '""', "''", '``', '**', '||'], ends: [], letters: '' },
  Latin: { pairs: ['“”', '„“', '‘’', '«»', '‹›', '»«'], ends: '…–—¶†', letters: 'ñe' },
  Greek: { pairs: ['«»'], ends: '·', letters: '' },
  Armenian: { pairs: ['«»'], ends: '։՞՜՝', letters: 'Հայ' },
  Hebrew: { pairs: ['״״', '„”'], ends: '׃', letters: 'עבר' },
  Arabic: { pairs: ['«»', '﴿﴾'], ends: '؟،؛۔', letters: 'عرب' },
  Devanagari: { pairs: ['“”'], ends: '।॥', letters: 'नमस्ते' },
  Thai: { pairs: ['“”'], ends: '๏๚๛', letters: 'ไทย' },
  Tibetan: { pairs: ['༼༽', '༺༻'], ends: '།༎', letters: 'བོད' },
  Khmer: { pairs: ['«»'], ends: '។៕', letters: 'ខ្មែរ' },
  Myanmar: { pairs: ['“”'], ends: '၊။', letters: 'မြန်' },
  Ethiopic: { pairs: ['‹›'], ends: '።፣፧፨', letters: 'አማርኛ' },
  Mongolian: { pairs: ['《》'], ends: '᠂᠃', letters: 'ᠮᠣᠩ' },
  Hangul: { pairs: ['〈〉', '『』'], ends: '。', letters: '한국어' },
  Han: { pairs: ['「」', '『』', '（）', '《》', '【】', '〔〕', '［］', '｛｝', '〖〗'], ends: '。、，！？：；…', letters: '汉字' },
  Kana: { pairs: ['「」', '｢｣', '〝〟', '（）'], ends: '。、！？｡､‥', letters: 'です' },
};

/** An address from its grammar, which ends in nothing that could be a sentence's. */
function addressBy({ below, pick, maybe }) {
  const many = (most, make) => Array.from({ length: 1 + below(most) }, make).join('');
  const letter = () => pick(['a', 'Z', '7', 'ü', 'ж', 'ع', '漢', 'の', 'ก', 'é']);
  const word = () => many(4, () => pick([letter(), letter(), letter(), '%C3%A9', '%2F', '-', '_', '~', '・', '✓', '🎉'])) + letter();
  const inner = () => word() + maybe(() => pick(['.', ',', ':', ';', '!', "'", '*', '@', '$', '+', '—']) + word(), 3);
  const bracketed = (depth = 0) => {
    const [open, close] = pick(['()', '[]', '{}', '（）', '「」', '《》', '【】']);
    return open + inner() + (depth < 2 ? maybe(() => bracketed(depth + 1), 3) : '') + close;
  };
  const part = () => inner() + maybe(bracketed, 4);
  const host = pick(['a.example', 'www.Example.com', 'localhost', 'foo_bar.example', 'xn--80ak6aa92e.com', 'münchen.de', 'пример.рф', '例え.テスト', 'مثال.إختبار', 'उदाहरण.परीक्षा', '127.0.0.1', '[2001:db8::1]', 'eコマース.jp']);
  return pick(['http', 'https', 'HTTPS']) + '://' + host + maybe(() => `:${1 + below(65535)}`, 4)
    + maybe(() => many(3, () => `/${part()}`) + maybe(() => '/', 4)) + maybe(() => `?${part()}=${part()}&${part()}`, 3) + maybe(() => `#${part()}`, 4);
}

test('an address in the marks of sixteen scripts is a link as a whole, and nothing around it is', () => {
  const random = randomFrom();
  const { pick } = random;
  for (let i = 0; i < 5_000; i++) {
    const address = addressBy(random);
    const script = pick(Object.keys(scripts));
    const { pairs, ends, letters } = scripts[script];
    const wrap = pick([pick(pairs), ` ${pick(ends.length ? [...ends] : [' '])}`]);
    const [before, after] = wrap;
    if (/[*'|]/.test(before) && address.includes(before)) continue;
    // A dash or a middle dot may be inside an address: it is the sentence's at its end.
    const rest = /[–—·]/.test(after) ? ' ' : pick([letters, ' ', '']);
    const text = pick(['', 'see', letters, ' ']) + before + address + pick(['', '.', ',', '!', '?!']) + after + rest;
    const links = findLinks(text);
    assert.deepEqual(linksIn(text), [address], `${script}: ${text}`);
    assert.equal(links[0].href, new URL(address).href, text);
  }
});

test('a link shows the host that it opens, and an address with a user part is none', () => {
  const { below, pick } = randomFrom();
  const texts = ['https://www.paypal.com@evil.example', 'https://@evil.example', 'http:///evil.example@a.example/'];
  for (const text of texts) assert.deepEqual(findLinks(text), [], text);
  for (let i = 0; i < 10_000; i++) {
    let text = `${pick(['http', 'https', 'HTTPS', 'hTTp'])}:${pick(['//', '//', '//', '///', '//\\', '//\\/'])}`;
    for (let parts = 1 + below(8); parts > 0; parts--) {
      text += pick(['a', 'paypal', '.', '.', '.com', 'evil.example', 'аррӏе', 'ﬀ', 'K', 'İ', 'ß', '%61', '%2e', '%2F', '%40', '@', 'user:pw@', ':', ':80', ':443', ':8080', '/', '\\', '?', '#', '。', '．', '⁄', '∕', '／', '＠',
        '\u0301', '\ufe0f', '\u034f', '\u115f', 'א', 'ב.com', 'xn--80ak6aa92e', '[::1]', '0x7f.1', '1.1', '_', '-', "'", ')', '(', '|', '^', '½']);
    }
    texts.push(text);
  }
  let count = 0;
  for (const text of texts) {
    for (const { from, to, href, label } of findLinks(text)) {
      count++;
      const opened = new URL(href);
      const [, shown] = /^https?:\/\/([^/?#\\]*)/i.exec(label);
      assert.equal(shown.toLowerCase(), opened.host, `${text}: another host`);
      assert.equal(new URL(label).href, href, `${text}: another address`);
      assert.match(opened.protocol, /^https?:$/);
      assert.ok(!opened.username && !opened.password && !shown.includes('@'), `${text}: a user part`);
      assert.ok(!/^[\w.:%-]*@/.test(text.slice(to)), `${text}: what looks like a host is a user part`);
      assert.equal(new URL(text.slice(from, to)).href, href);
    }
  }
  assert.ok(count > 900, `only ${count} of ${texts.length} are links: the test tries too little`);
  assert.equal(findLinks('https://аррӏе.com/')[0].label, 'https://xn--80ak6aa92e.com/');
});

test('pasted line ends are published as line feeds, and what cannot be is named', () => {
  assert.equal(tidy(' a\r\nb\rc\vd\fe\x85f\u2028g\ud83d\n\t'), 'a\nb\nc\nd\ne\nf\u2028g\ufffd');
  assert.deepEqual(['a\r\nb', 'e\u0301', '👩\u200d👧🐦'].map(length), [3, 2, 4]);
  for (const [text, want] of [
    ['a\r\nb\vc\x85d\te', ''],
    ['hello\x07 you', 'It has a control character, U+0007, after “hello”. Take it out to publish.'],
    ['\x00x', 'It has a control character, U+0000. Take it out to publish.'],
    ['in Zürich \x9bx', 'It has a control character, U+009B, after “Zürich”. Take it out to publish.'],
    [`${'x'.repeat(30)}\x07`, `It has a control character, U+0007, after “${'x'.repeat(20)}”. Take it out to publish.`],
    ['a'.repeat(201), 'Too long by 1.'],
    ['🐦'.repeat(200), ''],
    ['\u200b\u3164', 'Write something first.'],
  ]) assert.equal(validate(text), want, JSON.stringify(text));
  // The API takes all that passes: package post refuses Cc but line feeds and tabs.
  for (let code = 0; code < 0x3000; code++) {
    const text = `a${String.fromCharCode(code)}b`;
    if (!validate(text)) assert.doesNotMatch(tidy(text), /[\0-\x08\x0b-\x1f\x7f-\x9f]/, code.toString(16));
  }
});
