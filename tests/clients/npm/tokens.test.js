// Access tokens with LaunchDarkly's JavaScript client.

const assert = require('node:assert/strict');
const { randomUUID } = require('node:crypto');
const { test } = require('node:test');
const LaunchDarkly = require('launchdarkly-api');

function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; tests/clients/README.md says what it holds`);
  return value;
}

// The client calls back; `data` is what it made of the answer, `body` the answer itself.
function tokens(token) {
  const client = new LaunchDarkly.ApiClient(setting('AUDITCAST_TEST_URL'));
  client.authentications.ApiKey.apiKey = token;
  const api = new LaunchDarkly.AccessTokensApi(client);
  return (operation, ...values) =>
    new Promise((resolve) => {
      api[operation](...values, (error, data, response) =>
        resolve({ error, data, status: response?.status, body: response?.body }));
    });
}

const call = tokens(setting('AUDITCAST_TEST_TOKEN'));

test('a token is made, read, listed, changed, reset and deleted', async () => {
  const name = `client test ${randomUUID()}`;
  const made = await call('postToken', { name, role: 'writer', serviceToken: true });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const id = made.data._id;
  const value = made.data.token;
  const read = await call('getToken', id);
  assert.deepEqual([read.data.name, read.data.role, read.data.token], [name, 'writer', value.slice(-4)]);
  const listed = await call('getTokens', { showAll: true });
  assert.ok(listed.data.items.some((item) => item._id === id));
  const changed = await call('patchToken', id, [{ op: 'replace', path: '/name', value: 'renamed' }]);
  assert.deepEqual([changed.status, changed.data.name], [200, 'renamed']);
  assert.equal((await tokens(value)('getTokens', {})).status, 200);
  const reset = await call('resetToken', id, {});
  assert.equal(reset.status, 200, JSON.stringify(reset.body));
  assert.equal((await tokens(value)('getTokens', {})).status, 401);
  assert.equal((await tokens(reset.data.token)('getTokens', {})).status, 200);
  assert.equal((await call('deleteToken', id)).status, 204);
  assert.equal((await tokens(reset.data.token)('getTokens', {})).status, 401);
  assert.equal((await call('getToken', id)).status, 404);
});
