// Renders cases with handlebars.js, the reference for the template module.
//
// Reads from standard input a JSON array of {template, context} and writes a JSON array of
// {html, json}: `html` over the context as it is, `json` over the context with every string escaped
// for JSON, apart from those under `formVariables`. Each is {text} or {error}.
'use strict';

const Handlebars = require('handlebars');

const text = value => (value === undefined || value === null ? '' : String(value));

const whenSame = function (one, two, options) {
  return one === two ? options.fn(this) : options.inverse(this);
};
Handlebars.registerHelper('equal', whenSame);
Handlebars.registerHelper('equalWithElse', whenSame);
Handlebars.registerHelper('pathEncode', value => encodeURI(text(value)));
Handlebars.registerHelper('queryEncode', value => encodeURIComponent(text(value)));
Handlebars.registerHelper('basicAuthHeaderValue', (user, password) => {
  return 'Basic ' + Buffer.from(`${text(user)}:${text(password)}`).toString('base64');
});
Handlebars.registerHelper('formatWithOffset', (millis, offset, format) => {
  const moved = new Date(millis + offset * 1000);
  const two = number => String(number).padStart(2, '0');
  switch (format) {
    case 'milliseconds':
      return moved.getTime();
    case 'seconds':
      return Math.round(moved.getTime() / 1000);
    case 'rfc3339':
      return moved.toISOString();
    case 'simple': {
      const day = moved.toISOString().slice(0, 10);
      const hour = moved.getUTCHours() % 12 || 12;
      return `${day} ${hour}:${two(moved.getUTCMinutes())}:${two(moved.getUTCSeconds())}`;
    }
    default:
      throw new Error('unknown format');
  }
});
// `log` and warnings write to the console by default, where the results go.
Handlebars.log = () => {};
Handlebars.logger.log = () => {};

const escaped = (value, isTop) => {
  if (typeof value === 'string') return JSON.stringify(value).slice(1, -1);
  if (Array.isArray(value)) return value.map(item => escaped(item, false));
  if (value === null || typeof value !== 'object') return value;
  const members = Object.entries(value);
  return Object.fromEntries(
    members.map(([key, member]) => [key, isTop && key === 'formVariables' ? member : escaped(member, false)])
  );
};

const render = (compiled, context) => {
  try {
    return { text: compiled(context) };
  } catch (error) {
    return { error: String(error.message) };
  }
};

const chunks = [];
process.stdin.on('data', chunk => chunks.push(chunk));
process.stdin.on('end', () => {
  const cases = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  const results = cases.map(({ template, context }) => {
    // This reads the template on first use only, so its mistakes show in `render`.
    const compiled = Handlebars.compile(template);
    return { html: render(compiled, context), json: render(compiled, escaped(context, true)) };
  });
  process.stdout.write(JSON.stringify(results));
});
