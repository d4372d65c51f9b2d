// Bringing people or phone systems over from a file: first what each line would
// do, then, if wanted, doing it, and what came of each line.
import {call, keyed} from './api.js';
import {fill, h, icon, row, table} from './dom.js';
import {explain, translated} from './errors.js';
import {button, field, form, refuse, submit} from './form.js';
import {download} from './gate.js';
import {t} from './say.js';

const largest = 1 << 20; // bytes of a file
const patience = 40_000; // milliseconds: a call works on a long file for 18 seconds

const kinds = {
  users: {
    path: '/v1/users/import', back: '#users', from: 'users.title', id: 'email',
    example: 'email,name,administrator,roles\nbob@example.com,Bob Miller,no,Technician\n',
  },
  systems: {
    path: '/v1/phone-systems/import', back: '#', from: 'home.title', id: 'host',
    example: 'name,host,customer,profile\nBakery Miller,pbx.example.com,Miller,3cx-v20\n',
  },
};

const marks = {created: ['good', 'check'], error: ['bad', 'warn'], pending: ['open', 'clock']};

/** What is wrong with a line: the columns as the file names them, and in the reader's language why. */
const reason = message => message.split(/; (?=[a-z_]+: )/).map(part => {
  const [, column, why] = /^([a-z_]+): (.+)$/.exec(part) ?? [null, '', part];
  return h('div.small', column && [h('code', column), ': '], translated(why));
});

/** The view at #users/import and #phone-systems/import. */
export function importing(kind) {
  const title = t('import.' + kind);
  const page = new Import(kind);
  fill(page.node, h('p', h('a', {href: page.back}, '← ', t(page.from))), h('section.card', h('h1', {tabindex: '-1'}, title),
    h('p.quiet.lead', t('import.lead')), page.asking(kind)), page.place);
  return {title, node: page.node};
}

class Import {
  constructor(kind) {
    Object.assign(this, kinds[kind], {kind});
    this.node = h('div.middle');
    this.place = h('div', {'aria-live': 'polite'});
  }

  asking(kind) {
    return form({
      send: async (_, node) => {
        const [file] = node.querySelector('[type=file]').files;
        if (file.size > largest) refuse('file', t('import.large'));
        this.bytes = await file.arrayBuffer();
        this.once = keyed()(file.name);
        this.preview(await this.send(true), file.name);
      },
      children: [
        field('file', t('import.file'), {type: 'file', accept: '.csv,.txt,text/csv', hint: t('import.columns.' + kind)}),
        h('div.acts', submit(t('import.preview'), ''), button(t('import.example'), () => download(kind + '.csv', this.example, 'text/csv'))),
      ],
    });
  }

  send(dry) {
    return call('POST', this.path + (dry ? '?dry_run=true' : ''), {body: this.bytes, as: 'text/csv', once: dry ? undefined : this.once, patience});
  }

  /** What would be done, and the button that does it. */
  preview(answer, name) {
    const n = answer.counts.created;
    const alert = h('div.alert', {role: 'alert'});
    const go = button(t('import.go.' + this.kind, {n}), async () => {
      fill(alert);
      try {
        await this.apply(answer);
      } catch (problem) {
        fill(alert, explain(problem), ' ', t('import.again'));
      }
    }, '');
    this.show(t('import.would', {name}), answer, [n > 0 ? h('p', t('import.go_what.' + this.kind)) : h('p', t('import.nothing')), alert, n > 0 && h('div.acts', go)]);
  }

  /** Sends the file until every line is come to: a call ends in time, however long the file. */
  async apply(before) {
    let answer = before;
    const done = new Map();
    do {
      answer = await this.send(false);
      for (const item of answer.items) if (item.outcome === 'created') done.set(item.line, item);
      this.place.querySelector('progress')?.remove();
      if (!answer.complete) this.place.prepend(h('progress', {max: answer.items.length, value: answer.items.filter(item => item.outcome !== 'pending').length, 'aria-label': t('load.wait')}));
    } while (!answer.complete);
    // What an earlier call made, a later one finds there already.
    const items = answer.items.map(item => done.get(item.line) ?? item);
    const counts = {};
    for (const {outcome} of items) counts[outcome] = (counts[outcome] ?? 0) + 1;
    this.show(t('import.done'), {items, counts}, [h('p', t('import.next.' + this.kind)), h('p', h('a', {href: this.back}, t('import.back')))]);
  }

  show(title, {items, counts}, below) {
    const outcomes = Object.entries(counts).filter(([, n]) => n > 0);
    fill(this.place, h('section.card', h('h2', {tabindex: '-1'}, title), h('p.acts', outcomes.map(([outcome, n]) => mark(outcome, `${n} × `))), below),
      h('div.scroll', {tabindex: '0', role: 'region', 'aria-label': title}, table([t('import.line'), t('import.what.' + this.kind), t('import.outcome')], h('tbody', items.map(item => row([
        String(item.line), item[this.id], [mark(item.outcome), item.message && reason(item.message)]]))))));
    this.place.querySelector('h2').focus();
    this.place.scrollIntoView({block: 'start'});
  }
}

function mark(outcome, before = '') {
  const [look, shape] = marks[outcome] ?? ['', 'person'];
  return h('span.state' + (look && '.' + look), icon(shape), before, t('outcome.' + outcome));
}
