// List, find and read entries of the audit log with LaunchDarkly's JavaScript client.

const assert = require('node:assert/strict');
const { randomUUID } = require('node:crypto');
const { test } = require('node:test');
const LaunchDarkly = require('launchdarkly-api');

function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; tests/clients/README.md says what it holds`);
  return value;
}

const client = new LaunchDarkly.ApiClient(setting('AUDITCAST_TEST_URL'));
client.authentications.ApiKey.apiKey = setting('AUDITCAST_TEST_TOKEN');
const api = new LaunchDarkly.AuditLogApi(client);
const call = (operation, ...values) =>
  new Promise((resolve) => {
    api[operation](...values, (error, data, response) => resolve({ error, data, status: response?.status }));
  });

async function ingest(key) {
  const entry = (number) => ({
    _id: `${key}-${number}`,
    name: `Flag ${key}`,
    date: 1600000000000 + number,
    action: 'updateOn',
    resource: `proj/shop:env/production:flag/${key}`,
    currentVersion: { on: true },
  });
  const answer = await fetch(`${setting('AUDITCAST_TEST_URL')}/ingest/entries`, {
    method: 'POST',
    headers: { Authorization: setting('AUDITCAST_TEST_TOKEN'), 'Content-Type': 'application/json' },
    body: JSON.stringify([0, 1, 2].map(entry)),
  });
  assert.equal(answer.status, 202, await answer.text());
}

test('entries are listed, found and read', async () => {
  const key = randomUUID();
  await ingest(key);
  const ids = (answer) => answer.data.items.map((item) => item._id);

  const listed = await call('getAuditLogEntries', { q: key.toUpperCase(), limit: 2 });
  assert.equal(listed.status, 200);
  assert.deepEqual(ids(listed), [`${key}-2`, `${key}-1`]);
  assert.equal(listed.data.items[0].accesses[0].action, 'updateOn');
  assert.ok(listed.data._links.next.href.includes('cursor='));

  const spec = `proj/*:env/*:flag/${key}`;
  assert.deepEqual(ids(await call('getAuditLogEntries', { spec, before: 1600000000001 })), [`${key}-0`]);

  const read = await call('getAuditLogEntry', `${key}-1`);
  assert.deepEqual([read.data._id, read.data.currentVersion], [`${key}-1`, { on: true }]);
  assert.equal((await call('getAuditLogEntry', `${key}-9`)).status, 404);
});
