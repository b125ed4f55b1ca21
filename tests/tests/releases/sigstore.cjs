// usage: node sigstore.cjs FILE KEY BUNDLE
// Holds a file against a bundle and a public key, as @sigstore/verify does it where the key alone is trusted: no log, no timestamp.
const { createHash, createPublicKey } = require("node:crypto");
const { readFileSync } = require("node:fs");
const { bundleFromJSON } = require("@sigstore/bundle");
const { TrustedRoot } = require("@sigstore/protobuf-specs");
const { Verifier, toSignedEntity, toTrustMaterial } = require("@sigstore/verify");

const [file, key, bundle] = process.argv.slice(2);
const rawBytes = createPublicKey(readFileSync(key)).export({ type: "spki", format: "der" });
const hint = createHash("sha256").update(rawBytes).digest("base64");
const trusted = toTrustMaterial(TrustedRoot.fromJSON({}), { [hint]: { rawBytes } });
const verifier = new Verifier(trusted, { tlogThreshold: 0, timestampThreshold: 0, ctlogThreshold: 0 });
verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(readFileSync(bundle, "utf8"))), readFileSync(file)));
console.log("verified");
