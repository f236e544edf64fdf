// The page: listens to its server, gives each panel what is for it, and says how the connection is.

import { byId, setText } from './dom.js';
import { moment, plural } from './format.js';
import { alerts, effects, parked, progress, rates, recharge, rules, visits } from './panels.js';

/** How often new alerts are announced to who hears the page. */
const ANNOUNCE_MS = 20_000;
/** How long a page that nobody sees goes on listening. */
const HIDDEN_MS = 30_000;
const RETRY_MS = 2_000;

const PANELS = { alerts, rates, effects, parked, progress, rules, visits, recharge };
/** Where a notice is shown, if not in the section of the panel's name. */
const PLACES = { visits: ['visits', 'visit-days'] };

let source = null;
let isPaused = false;
/** The last state of each panel that was not shown yet. */
const waiting = new Map();
/** Panels whose database is away, and since when. */
const away = new Map();

function listen() {
  if (source !== null) return;
  source = new EventSource('/events');
  source.addEventListener('open', showConnection);
  source.addEventListener('error', () => {
    if (source?.readyState === EventSource.CLOSED) lost();
    showConnection();
  });
  for (const name of Object.keys(PANELS)) {
    source.addEventListener(name, ({ data }) => {
      waiting.set(name, JSON.parse(data));
      if (!isPaused) showWaiting();
    });
  }
}

function stopListening() {
  source?.close();
  source = null;
}

/** The server has refused us: the token has changed or the cookie run out, or it has too many listeners. */
async function lost() {
  stopListening();
  const answer = await fetch('/events', { method: 'HEAD' }).catch(() => null);
  if (answer?.status === 401) location.assign('/login');
  else setTimeout(listen, RETRY_MS);
}

function showWaiting() {
  for (const [name, state] of waiting) {
    // Before it is shown: what cannot be must not come again with every change of the others.
    waiting.delete(name);
    try {
      show(name, state);
    } catch (error) {
      console.error(error);
      notify(name, 'This panel cannot be shown: the console of the browser says why.');
    }
  }
  showConnection();
}

function show(name, state) {
  const { data, remedy, since } = state;
  if (state.state === 'away') away.set(name, since);
  else away.delete(name);
  for (const place of PLACES[name] ?? [name]) byId(place).dataset.state = state.state;
  const awaySince = since ? `As of ${moment(since)}: the database does not answer.` : '';
  notify(name, state.state === 'absent' ? remedy : awaySince);
  if (data === null || data === undefined) return;
  const fresh = PANELS[name](data);
  if (name === 'alerts') announce(fresh);
}

/** Above a panel's figures; nothing where the text is empty. */
function notify(name, text) {
  for (const place of PLACES[name] ?? [name]) {
    const notice = byId(place).querySelector('.notice');
    setText(notice, text);
    notice.hidden = text === '';
  }
}

function showConnection() {
  const [state, text] = connectionNow();
  byId('connection').dataset.state = state;
  if (byId('connection-text').textContent !== text) {
    setText(byId('connection-text'), text);
    if (state === 'away' || state === 'lost') say(text);
  }
}

function connectionNow() {
  if (isPaused) return ['paused', 'Paused'];
  if (source === null || source.readyState !== EventSource.OPEN) {
    return document.hidden ? ['waiting', 'Asleep'] : ['lost', 'The console does not answer'];
  }
  if (away.size > 0) {
    return ['away', `The database has not answered since ${moment(Math.min(...away.values()))}`];
  }
  return ['live', 'Live'];
}

let unsaid = [];
let isQuiet = false;

/** Not each by itself: who hears the page would hear nothing else. */
function announce(fresh) {
  unsaid.unshift(...fresh);
  if (unsaid.length === 0 || isQuiet) return;
  say(`${plural(unsaid.length, 'new alert')}, the latest ${unsaid[0].type}`);
  unsaid = [];
  isQuiet = true;
  setTimeout(() => {
    isQuiet = false;
    announce([]);
  }, ANNOUNCE_MS);
}

function say(text) {
  byId('announcements').textContent = text;
}

byId('pause').addEventListener('click', () => {
  isPaused = !isPaused;
  byId('pause').setAttribute('aria-pressed', String(isPaused));
  setText(byId('pause'), isPaused ? 'Go on' : 'Pause');
  showWaiting();
});

let sleep = null;
document.addEventListener('visibilitychange', () => {
  clearTimeout(sleep);
  if (document.hidden) sleep = setTimeout(stopListening, HIDDEN_MS);
  else listen();
});

listen();
showConnection();
