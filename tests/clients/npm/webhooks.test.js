// Webhooks with LaunchDarkly's JavaScript client.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const LaunchDarkly = require('launchdarkly-api');

function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; tests/clients/README.md says what it holds`);
  return value;
}

const client = new LaunchDarkly.ApiClient(setting('AUDITCAST_TEST_URL'));
client.authentications.ApiKey.apiKey = setting('AUDITCAST_TEST_TOKEN');
const api = new LaunchDarkly.WebhooksApi(client);

// The client calls back; `data` is what it made of the answer, `body` the answer itself.
const call = (operation, ...values) =>
  new Promise((resolve) => {
    api[operation](...values, (error, data, response) =>
      resolve({ error, data, status: response?.status, body: response?.body }));
  });

test('a webhook is made, read, listed, changed and deleted', async () => {
  const statements = [{ effect: 'allow', resources: ['proj/*:env/production:flag/*'], actions: ['*'] }];
  const body = { url: 'https://ci.corp.test/ld', sign: true, secret: 's3cr3t-value', on: false, name: 'CI', statements };
  const made = await call('postWebhook', body);
  assert.equal(made.status, 200, JSON.stringify(made.body));
  const id = made.data._id;
  const read = await call('getWebhook', id);
  assert.deepEqual([read.data.name, read.data.url, read.data.secret], ['CI', body.url, 's3cr3t-value']);
  const listed = await call('getAllWebhooks');
  assert.ok(listed.data.items.some((item) => item._id === id));
  const changed = await call('patchWebhook', id, [{ op: 'replace', path: '/name', value: 'renamed' }]);
  assert.deepEqual([changed.status, changed.data.name], [200, 'renamed']);
  assert.equal((await call('deleteWebhook', id)).status, 204);
  assert.equal((await call('getWebhook', id)).status, 404);
});
