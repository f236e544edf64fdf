// A mail over SMTP. A mail server knows no repetitions: what has become of a mail is decided by how far its text had come.
//   E1. A message ends with a dot on a line of its own. Before the last of its text is handed to the connection, nothing was sent.
//   E2. No reply to a whole message: nobody knows whether it was taken.

import { createHash } from 'node:crypto';
import { createTransport } from 'nodemailer';
import SmtpTransport from 'nodemailer/lib/smtp-transport';
import { z } from 'zod';
import { CepError, messageOf } from '../../errors.js';
import { ADDRESS_LENGTH_MAX, type Address, addressOf } from '../mail-address.js';
import { certificateFault } from './connection-fault.js';
import { type Delivery, DeliveryError, type DeliveryOutcome, type EffectKind } from './kind.js';
import { kept } from './receiver.js';
import { certificates, certificatesOf, hiding, secret, settingOf } from './secret.js';
import { parseTemplate, type Text, type Variables, variablesOf } from './templates.js';
import { tryFor } from './try-for.js';

const schema = z.strictObject({
  kind: z.literal('email'),
  /** smtp://user:password@host:587, or smtps:// */
  server: secret,
  ca: certificates.optional(),
  /** `address`, or `Name <address>`. */
  from: z.string({ error: 'write an address, such as Shop <shop@example.com>' }),
  /** Liquid; gives one address. */
  to: z.string().default('{{ user.email }}'),
  subject: z.string({ error: 'write a template' }),
  text: z.string().optional(),
  /** Values in it are escaped. */
  html: z.string().optional(),
});

interface Mail {
  readonly to: Address;
  readonly subject: string;
  readonly text?: string;
  readonly html?: string;
}

export const email: EffectKind<typeof schema> = {
  kind: 'email',
  schema,
  sender: (send, env) => {
    const url = serverOf(send.server, env);
    const ca = send.ca && certificatesOf(send.ca, env, 'ca');
    const from = addressOf(send.from);
    if (!from)
      throw invalid('from', 'this is no address: write one, such as Shop <shop@example.com>');
    if (send.text === undefined && send.html === undefined) {
      throw invalid('text', 'the mail has no text: write text, html, or both');
    }
    const compose = composer(send);
    const hide = hiding(secretsOf(url));
    return {
      isIdempotent: false,
      send: async (delivery) => {
        const mail = compose(variablesOf(delivery));
        const { message, response } = await deliver(
          { url, from, ...(ca !== undefined && { ca }) },
          mail,
          delivery,
        ).catch((error: unknown) => {
          if (!(error instanceof DeliveryError)) throw error;
          const { answer, ...outcome } = error.outcome;
          throw new DeliveryError(hide(error.message), {
            ...outcome,
            ...(answer && { answer: { response: kept(hide(String(answer.response))) } }),
          });
        });
        return { messageId: message, response: kept(hide(response)) };
      },
      preview: (of) => {
        const { to, subject, text, html } = compose(variablesOf(of));
        const head = `From: ${shown(from)}\nTo: ${shown(to)}\nSubject: ${subject}`;
        return [head, text, html].filter((part) => part !== undefined).join('\n\n');
      },
    };
  },
};

/** @throws CepError `SETTING_INVALID` */
function serverOf(server: z.infer<typeof secret>, env: NodeJS.ProcessEnv): URL {
  const text = settingOf(server, env, 'server');
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url && /^smtps?:$/.test(url.protocol) && url.hostname !== '') return url;
  throw new CepError(
    'SETTING_INVALID',
    `${server.env} is no address of a mail server: write smtp://user:password@host:587 or smtps://`,
    { details: { field: 'server' } },
  );
}

/** The password, in each form in which it is told. */
function secretsOf({ username, password }: URL): string[] {
  if (password === '') return [];
  const [user, pass] = [decoded(username), decoded(password)];
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return [password, pass, base64(pass), base64(`\0${user}\0${pass}`)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @throws CepError `EFFECTS_INVALID` */
function composer(send: z.infer<typeof schema>): (variables: Variables) => Mail {
  const to = parseTemplate(send.to, 'to');
  const subject = parseTemplate(send.subject, 'subject');
  const text = send.text === undefined ? null : parseTemplate(send.text, 'text');
  const html = send.html === undefined ? null : parseTemplate(send.html, 'html', 'html');
  return (variables) => ({
    to: recipient(to, variables),
    subject: oneLine(subject, variables),
    ...(text && { text: text.render(variables) }),
    ...(html && { html: html.render(variables) }),
  });
}

function recipient(template: Text, variables: Variables): Address {
  const text = template.render(variables).trim();
  const address = addressOf(text);
  if (address) return address;
  throw new DeliveryError(
    text === ''
      ? 'there is no address to send it to'
      : `${JSON.stringify(text.slice(0, ADDRESS_LENGTH_MAX))} is not one mail address`,
    { is: 'refused', reason: 'NO_ADDRESS' },
  );
}

function oneLine(template: Text, variables: Variables): string {
  const text = template.render(variables).trim();
  // What follows a line break would be a header of its own.
  if (!/\p{Cc}/u.test(text)) return text;
  throw new DeliveryError('the template subject gives more than one line, or control characters', {
    is: 'refused',
    reason: 'TEMPLATE',
  });
}

function shown({ name, address }: Address): string {
  return name === '' ? address : `${name} <${address}>`;
}

interface MailServer {
  readonly url: URL;
  readonly from: Address;
  readonly ca?: string;
}

/** Hands a mail to the server. @throws DeliveryError */
async function deliver(
  { url, from, ca }: MailServer,
  mail: Mail,
  delivery: Delivery,
): Promise<{ message: string; response: string }> {
  const { effect, timeoutMs } = delivery;
  const smtp = new SmtpTransport({
    url: url.href,
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
    // Once it is given up, nothing that is still in its buffers goes out.
    socketCloseTimeout: 0,
    ...(ca !== undefined && { tls: { ca } }),
  });
  const transport = createTransport(smtp);
  let isWhole = false;
  transport.use('stream', ({ message }, done) => {
    const read = message.createReadStream.bind(message);
    // The connection reads it once the server has asked for the message.
    message.createReadStream = (options) =>
      read(options).once('end', () => {
        isWhole = true;
      });
    done();
  });
  const message = `<${createHash('sha256').update(effect.id).digest('hex').slice(0, 32)}@${from.address.split('@')[1]}>`;
  return await tryFor(delivery, async (signal) => {
    try {
      const { response } = await transport.sendMail({
        from,
        ...mail,
        messageId: message,
        date: new Date(delivery.now),
        headers: { 'X-Effect-Id': effect.id },
        // Templates name nothing but text.
        disableFileAccess: true,
        disableUrlAccess: true,
        signal,
      });
      return { message, response };
    } catch (error) {
      const { response } = error as SmtpError;
      const said = signal.aborted
        ? messageOf(signal.reason)
        : (certificateFault(error) ?? messageOf(error));
      throw new DeliveryError(`no mail over ${url.host}: ${said.replace(/\s*\n\s*/g, ' ')}`, {
        is: whatBecame(error as SmtpError, isWhole),
        ...(response && { answer: { response } }),
      });
    }
  });
}

/** As nodemailer tells of them. */
interface SmtpError extends Error {
  readonly code?: string;
  readonly command?: string;
  readonly responseCode?: number;
  readonly response?: string;
}

function whatBecame(error: SmtpError, isWhole: boolean): DeliveryOutcome['is'] {
  const { code = '', command = '', responseCode = 0 } = error;
  if (responseCode >= 400 && responseCode < 500) return 'not-sent';
  if (responseCode >= 500 && responseCode < 600) {
    // Greeting and login are about us, not about this mail: what is wrong there can be put right while it is tried again.
    return /^(MAIL|RCPT|DATA)/.test(command) ? 'refused' : 'not-sent';
  }
  if (isWhole) return 'unknown';
  // Found by nodemailer itself: an address that this server can't be told, or a mail larger than it takes.
  return ['EENVELOPE', 'EMESSAGE'].includes(code) ? 'refused' : 'not-sent';
}

function invalid(field: string, message: string): CepError {
  return new CepError('EFFECTS_INVALID', message, { details: { field } });
}
