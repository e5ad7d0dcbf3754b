// OpenID Connect Session Management 1.0, section 3.1: "client_id session_state" in; "unchanged", "changed" or "error" out.
const { cookie } = document.currentScript.dataset;

function browserState() {
  const pair = document.cookie.split("; ").find((one) => one.startsWith(`${cookie}=`));
  return pair ? pair.slice(cookie.length + 1) : "";
}

async function judge(message, origin) {
  const [, clientId, hash, salt] = /^(\S+) ([0-9a-f]{64})\.([\w-]+)$/.exec(message) ?? [];
  if (!clientId) return "error";
  const known = new TextEncoder().encode(`${clientId} ${origin} ${browserState()} ${salt}`);
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", known));
  return [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("") === hash ? "unchanged" : "changed";
}

addEventListener("message", async ({ data, origin, source }) => {
  if (!source || source === window) return;
  source.postMessage(await judge(String(data), origin).catch(() => "error"), origin);
});
