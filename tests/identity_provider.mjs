// A certified OpenID Connect provider on loopback, with users whom tests add and remove.
// Arguments: port, redirect URI, address after a logout.
import { createServer } from 'node:http'
import { generateKeyPairSync } from 'node:crypto'
import { Provider } from 'oidc-provider'

const [port, redirect, home] = process.argv.slice(2)
const issuer = `http://127.0.0.1:${port}`
const users = new Map()

function key() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: String(Math.random()) }
}

function make() {
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'tandem',
      client_secret: 'a secret of the client',
      token_endpoint_auth_method: 'client_secret_post',
      redirect_uris: [redirect],
      post_logout_redirect_uris: [home],
      grant_types: ['authorization_code', 'refresh_token'],
      id_token_signed_response_alg: 'ES256',
    }],
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
    conformIdTokenClaims: false,
    cookies: { keys: ['a key of the tests'] },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    features: { devInteractions: { enabled: true } },
    findAccount: (_, id) => users.has(id) ? {
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, groups: users.get(id) }),
    } : undefined,
    issueRefreshToken: () => true,
    jwks: { keys: [key()] },
    pkce: { required: () => true },
    ttl: { IdToken: 600, RefreshToken: 3600, Session: 3600, Grant: 3600, Interaction: 600, AccessToken: 600 },
  })
  return provider.callback()
}

let handle = make()
createServer((request, response) => {
  const [, area, name, groups] = request.url.split('/').map(decodeURIComponent)
  if (area !== 'control') return handle(request, response)
  if (name === 'rotate') handle = make()
  else if (groups === undefined) users.delete(name)
  else users.set(name, groups.split(',').filter(Boolean))
  response.end('done')
}).listen(Number(port), '127.0.0.1')
