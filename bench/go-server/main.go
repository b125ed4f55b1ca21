// The least a server of Go's standard library does for the same credential: mutual TLS, an ES256 token, no policy, no audit.
// Usage: go-server CA CERTIFICATE KEY TOKEN_KEY; prints its address when it listens.
package main

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

const issuer, audience, lifetime = "https://127.0.0.1:8444", "https://db.example.org", 3600

func main() {
	pemKey, err := os.ReadFile(os.Args[4])
	check(err)
	block, _ := pem.Decode(pemKey)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	check(err)
	key := parsed.(*ecdsa.PrivateKey)
	header := encode(map[string]any{"alg": "ES256", "kid": thumbprint(&key.PublicKey), "typ": "JWT"})
	http.HandleFunc("GET /v1/credentials/db", func(out http.ResponseWriter, request *http.Request) {
		answer(out, request, header, key)
	})
	ca, err := os.ReadFile(os.Args[1])
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	server := http.Server{ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 5 * time.Second, TLSConfig: &tls.Config{
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots, SessionTicketsDisabled: true, NextProtos: []string{"http/1.1"},
	}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println(listener.Addr())
	check(server.ServeTLS(listener, os.Args[2], os.Args[3]))
}

func answer(out http.ResponseWriter, request *http.Request, header string, key *ecdsa.PrivateKey) {
	subject, now, id := request.TLS.PeerCertificates[0].URIs[0].String(), time.Now().Unix(), make([]byte, 16)
	rand.Read(id)
	signed := header + "." + encode(map[string]any{
		"iss": issuer, "sub": subject, "aud": []string{audience}, "iat": now, "nbf": now, "exp": now + lifetime, "jti": hex.EncodeToString(id),
	})
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	check(err)
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	body, err := json.Marshal(map[string]any{
		"version": 1, "credential": "db", "kind": "jwt", "subject": subject, "issued_at": now, "expires_at": now + lifetime,
		"expires_in": lifetime, "fetch_after": lifetime / 2, "fetch_window": lifetime / 4,
		"token": signed + "." + base64.RawURLEncoding.EncodeToString(signature),
	})
	check(err)
	out.Header().Set("Content-Type", "application/json")
	out.Write(body)
}

func encode(value any) string {
	text, err := json.Marshal(value)
	check(err)
	return base64.RawURLEncoding.EncodeToString(text)
}

// RFC 7638 section 3.
func thumbprint(key *ecdsa.PublicKey) string {
	point, err := key.Bytes()
	check(err)
	text := base64.RawURLEncoding.EncodeToString
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + text(point[1:33]) + `","y":"` + text(point[33:]) + `"}`))
	return text(sum[:])
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
