// Fetches one credential COUNT times, each over a fresh connection with Go's default key exchange; any failure ends it.
// Usage: go-load URL CA IDENTITY COUNT AT_ONCE; prints the key exchange that every connection used.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

func main() {
	ca, err := os.ReadFile(os.Args[2])
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	identity, err := tls.LoadX509KeyPair(os.Args[3], os.Args[3])
	check(err)
	count, err := strconv.Atoi(os.Args[4])
	check(err)
	atOnce, err := strconv.Atoi(os.Args[5])
	check(err)
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{identity}, MinVersion: tls.VersionTLS13},
	}}
	var workers sync.WaitGroup
	var mutex sync.Mutex
	curves := map[string]int{}
	for worker := range atOnce {
		workers.Go(func() {
			for range (count + worker) / atOnce {
				curve := fetch(&client, os.Args[1])
				mutex.Lock()
				curves[curve]++
				mutex.Unlock()
			}
		})
	}
	workers.Wait()
	for curve, connections := range curves {
		fmt.Println(curve, connections)
	}
}

func fetch(client *http.Client, url string) string {
	reply, err := client.Get(url)
	check(err)
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	check(err)
	if reply.StatusCode != http.StatusOK || len(body) == 0 || reply.TLS.DidResume {
		log.Fatal("not a fresh answer: ", reply.Status)
	}
	return reply.TLS.CurveID.String()
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
