// Create, read, list, change and delete with LaunchDarkly's JavaScript client, per integration.

const assert = require('node:assert/strict');
const { randomUUID } = require('node:crypto');
const { test } = require('node:test');
const LaunchDarkly = require('launchdarkly-api');

const CASES = require('../configs.json');
const NO_ID = '66f0c0ffee00000000000000';
const STATEMENTS = [
  { effect: 'allow', resources: ['proj/*:env/production:flag/*;beta'], actions: ['*'] },
  { effect: 'deny', notResources: ['proj/shop:env/*:flag/*'], notActions: ['updateOn'] },
];

function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; tests/clients/README.md says what it holds`);
  return value;
}

// The client calls back; `data` is what it made of the answer, `body` the answer itself.
function subscriptions(token) {
  const client = new LaunchDarkly.ApiClient(setting('AUDITCAST_TEST_URL'));
  if (token) client.authentications.ApiKey.apiKey = token;
  const api = new LaunchDarkly.IntegrationAuditLogSubscriptionsApi(client);
  return (operation, ...values) =>
    new Promise((resolve) => {
      api[operation](...values, (error, data, response) =>
        resolve({ error, data, status: response?.status, type: response?.type, body: response?.body }));
    });
}

const call = subscriptions(setting('AUDITCAST_TEST_TOKEN'));

function masked({ config, secret, mask }) {
  return secret ? { ...config, [secret]: mask } : config;
}

// The models of the client carry absent members as undefined.
const plain = (value) => JSON.parse(JSON.stringify(value));

async function withSubscription(kind, use) {
  const name = `client test ${randomUUID()}`;
  const body = { name, on: false, tags: ['ops'], config: kind.config, statements: STATEMENTS };
  const created = await call('createSubscription', kind.key, body);
  assert.equal(created.status, 201, JSON.stringify(created.body));
  try {
    await use({ name, ...created });
  } finally {
    await call('deleteSubscription', kind.key, created.data._id);
  }
}

function assertError(answer, status, code) {
  assert.ok(answer.error, 'the client takes it for a success');
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  assert.equal(answer.type, 'application/json');
  assert.equal(answer.body.code, code);
  assert.ok(answer.body.message);
}

for (const kind of CASES) {
  test(`${kind.key}: what is created is read, listed, changed and deleted`, async () => {
    await withSubscription(kind, async ({ name, data }) => {
      assert.deepEqual(plain(data.config), masked(kind));
      assert.deepEqual(plain(data.statements), STATEMENTS);
      assert.deepEqual([data.name, data.kind, data.on, plain(data.tags)], [name, kind.key, false, ['ops']]);

      const read = await call('getSubscriptionByID', kind.key, data._id);
      assert.deepEqual(plain(read.data), plain(data));
      assert.deepEqual(read.body._status, { successCount: 0, errorCount: 0, errors: [] });

      const listed = await call('getSubscriptions', kind.key);
      assert.equal(listed.data.key, kind.key);
      assert.equal(listed.data.items.filter((item) => item._id === data._id).length, 1);

      const { field, value } = kind.change;
      const changed = await call('updateSubscription', kind.key, data._id, [
        { op: 'replace', path: '/name', value: 'renamed' },
        { op: 'replace', path: `/config/${field}`, value },
        { op: 'replace', path: '/statements', value: [STATEMENTS[1], STATEMENTS[0]] },
      ]);
      assert.equal(changed.status, 200, JSON.stringify(changed.body));
      assert.equal(changed.data.name, 'renamed');
      assert.deepEqual(plain(changed.data.config), masked({ ...kind, config: { ...kind.config, [field]: value } }));
      assert.deepEqual(plain(changed.data.statements), [STATEMENTS[1], STATEMENTS[0]]);

      const deleted = await call('deleteSubscription', kind.key, data._id);
      assert.equal(deleted.status, 204);
      assertError(await call('getSubscriptionByID', kind.key, data._id), 404, 'not_found');
    });
  });

  test(`${kind.key}: mistakes are told`, async () => {
    await withSubscription(kind, async ({ data }) => {
      const wrong = { name: 'refused', config: { ...kind.config, ...kind.wrong } };
      assertError(await call('createSubscription', kind.key, wrong), 400, 'invalid_request');
      const operations = [{ op: 'test', path: '/name', value: 'another' }];
      assertError(await call('updateSubscription', kind.key, data._id, operations), 409, 'conflict');
      assertError(await call('getSubscriptionByID', kind.key, NO_ID), 404, 'not_found');
      assertError(await subscriptions()('getSubscriptions', kind.key), 401, 'unauthorized');
      const ingestOnly = subscriptions(setting('AUDITCAST_TEST_INGEST_TOKEN'));
      assertError(await ingestOnly('getSubscriptions', kind.key), 403, 'forbidden');
      assertError(await ingestOnly('deleteSubscription', kind.key, data._id), 403, 'forbidden');
    });
  });
}

test('an integration that is not there is not found', async () => {
  assertError(await call('getSubscriptions', 'no-such-tool'), 404, 'not_found');
});
