// A strict authorization server that nobody here wrote, oidc-provider (npm), and behind it as much of the
// API as connecting a source takes. Arguments: the lifetime of a code in seconds, then the callback URIs.
// Prints the port, the id and the secret of the application.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [codeLifetime, ...redirectUris] = process.argv.slice(2);
const secret = randomBytes(16).toString("hex");
const client = "relay";
let provider;
const sources = new Map();
let made = 0;

function send(response, status, object) {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(object === undefined ? "" : JSON.stringify(object));
}

async function bodyOf(request) {
  let text = "";
  for await (const part of request) text += part;
  return text === "" ? {} : JSON.parse(text);
}

// The flow example/main.
async function api(request, response, path) {
  const bearer = /^Bearer (\S+)$/.exec(request.headers.authorization ?? "");
  const access = bearer && (await provider.AccessToken.find(bearer[1]));
  if (!access) return send(response, 401, { message: "no such access token" });
  const lacks = (scope) => !access.scopes.has(scope);
  const base = `http://${request.headers.host}`;
  if (path === "/user") {
    if (lacks("profile")) return send(response, 403, { message: "the scope profile is missing" });
    return send(response, 200, { name: `Person ${access.accountId}` });
  }
  if (lacks(request.method === "GET" ? "flow" : "integration")) {
    return send(response, 403, { message: "a scope is missing" });
  }
  const flow = `${base}/flows/example/main`;
  if (path === "/flows/example/main") {
    return send(response, 200, {
      id: "example:main", name: "Main", url: flow, joined: true, disabled: false,
      links: { sources: { url: `${flow}/sources`, methods: ["GET", "POST"] } },
    });
  }
  if (path === "/flows/example/main/sources") {
    if (request.method === "GET") return send(response, 200, [...sources.values()]);
    const source = { id: ++made, name: (await bodyOf(request)).name };
    sources.set(made, source);
    return send(response, 201, {
      ...source, flow_token: randomBytes(16).toString("hex"), application: { id: "1", name: "strict" },
    });
  }
  const one = /^\/flows\/example\/main\/sources\/(\d+)$/.exec(path);
  if (one && request.method === "DELETE" && sources.delete(Number(one[1]))) return send(response, 204);
  return send(response, 404, { message: "not found" });
}

const server = createServer((request, response) => {
  const path = request.url.split("?")[0];
  const isApi = path === "/user" || path.startsWith("/flows");
  if (!isApi) return provider.callback()(request, response);
  return api(request, response, path).catch((error) => send(response, 500, { message: String(error) }));
});

server.listen(0, "127.0.0.1", () => {
  const { port } = server.address();
  provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [{
      client_id: client,
      client_secret: secret,
      redirect_uris: redirectUris,
      application_type: "native",
      grant_types: ["authorization_code"],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_post",
      scope: "flow integration profile",
    }],
    scopes: ["flow", "integration", "profile", "history"],
    features: { devInteractions: { enabled: true }, revocation: { enabled: true } },
    pkce: { required: () => true },
    cookies: { keys: [randomBytes(16).toString("hex")] },
    ttl: { AuthorizationCode: Number(codeLifetime), AccessToken: 600, Grant: 600, Interaction: 600, Session: 600 },
  });
  console.log(JSON.stringify({ port, id: client, secret }));
});
