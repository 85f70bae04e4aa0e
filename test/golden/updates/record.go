// Records the updates (RFC 2136) that three programs send, which all build their messages with miekg/dns: the calls
// of that library are theirs, with their arguments, in their order. Read from
//
//	ExternalDNS           kubernetes-sigs/external-dns provider/rfc2136/rfc2136.go
//	cert-manager          cert-manager/cert-manager pkg/issuer/acme/dns/rfc2136/rfc2136.go
//	Terraform             hashicorp/terraform-provider-dns internal/provider/resource_dns_{a,txt}_record_set.go,
//	                      resource_dns_cname_record.go, provider.go (exchange, resourceDnsDelete)
//
// Debian has the library: apt-get install golang-go golang-github-miekg-dns-dev, then
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run record.go > recorded.json
//	GO111MODULE=off GOPATH=/usr/share/gocode go run record.go 192.0.2.53:53
//
// The second form sends them to a server and judges the signatures of its replies.
package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/miekg/dns"
)

const (
	zone   = "gslb.example."
	key    = "writer.gslb.example."
	secret = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
	signed = 1780000000
)

type exchange struct {
	Client  string `json:"client"`
	What    string `json:"what"`
	Request string `json:"request"`
}

var (
	recorded []exchange
	server   string
)

func rr(text string) dns.RR {
	record, err := dns.NewRR(text)
	if err != nil {
		panic(err)
	}
	return record
}

func update(fill func(*dns.Msg)) *dns.Msg {
	m := new(dns.Msg)
	m.SetUpdate(zone)
	fill(m)
	return m
}

func take(client, what, algorithm string, m *dns.Msg) {
	if server != "" {
		send(client, what, algorithm, m)
		return
	}
	m.Id = uint16(len(recorded) + 1)
	m.SetTsig(key, algorithm, 300, signed)
	bytes, _, err := dns.TsigGenerate(m, secret, "", false)
	if err != nil {
		panic(err)
	}
	recorded = append(recorded, exchange{client, what, hex.EncodeToString(bytes)})
}

func send(client, what, algorithm string, m *dns.Msg) {
	c := new(dns.Client)
	c.TsigSecret = map[string]string{key: secret}
	c.SingleInflight = true
	m.SetTsig(key, algorithm, 300, time.Now().Unix())
	if m.Len() > 512 {
		c.Net = "tcp"
	}
	reply, _, err := c.Exchange(m, server)
	if err != nil {
		fmt.Printf("%s: %s: %v\n", client, what, err)
		os.Exit(1)
	}
	isSigned := reply.IsTsig() != nil
	fmt.Printf("%s: %s: %s, signed %v\n", client, what, dns.RcodeToString[reply.Rcode], isSigned)
}

func externalDNS() {
	const client = "ExternalDNS"
	heritage := `"heritage=external-dns,external-dns/owner=default,external-dns/resource=ingress/default/app"`
	add := func(m *dns.Msg, name string, ttl int, kind string, targets ...string) {
		for _, target := range targets {
			m.Insert([]dns.RR{rr(fmt.Sprintf("%s %d %s %s", name, ttl, kind, target))})
		}
	}
	remove := func(m *dns.Msg, name string, ttl int, kind string, targets ...string) {
		for _, target := range targets {
			m.Remove([]dns.RR{rr(fmt.Sprintf("%s %d %s %s", name, ttl, kind, target))})
		}
	}
	take(client, "creates an ingress", dns.HmacSHA256, update(func(m *dns.Msg) {
		add(m, "app.gslb.example", 0, "A", "192.0.2.10", "192.0.2.11")
		add(m, "app.gslb.example", 0, "TXT", heritage)
		add(m, "a-app.gslb.example", 0, "TXT", heritage)
	}))
	take(client, "changes its address", dns.HmacSHA256, update(func(m *dns.Msg) {
		remove(m, "app.gslb.example", 0, "A", "192.0.2.10", "192.0.2.11")
		add(m, "app.gslb.example", 300, "A", "192.0.2.12")
		remove(m, "app.gslb.example", 0, "TXT", heritage)
		add(m, "app.gslb.example", 0, "TXT", heritage)
	}))
	take(client, "creates a batch", dns.HmacSHA256, update(func(m *dns.Msg) {
		for i := 0; i < 50; i++ {
			add(m, fmt.Sprintf("batch-%d.gslb.example", i), 60, "CNAME", "app.gslb.example")
		}
	}))
	take(client, "deletes the ingress", dns.HmacSHA256, update(func(m *dns.Msg) {
		remove(m, "app.gslb.example", 300, "A", "192.0.2.12")
		remove(m, "app.gslb.example", 0, "TXT", heritage)
		remove(m, "a-app.gslb.example", 0, "TXT", heritage)
	}))
}

func certManager() {
	const client = "cert-manager"
	challenge := func(value string) []dns.RR {
		record := new(dns.TXT)
		record.Hdr = dns.RR_Header{Name: "_acme-challenge.www.gslb.example.", Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}
		record.Txt = []string{value}
		return []dns.RR{record}
	}
	const one, two = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0", "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
	take(client, "presents a challenge", dns.HmacSHA256, update(func(m *dns.Msg) { m.Insert(challenge(one)) }))
	take(client, "presents another of the same name", dns.HmacSHA256, update(func(m *dns.Msg) { m.Insert(challenge(two)) }))
	take(client, "presents one again", dns.HmacSHA256, update(func(m *dns.Msg) { m.Insert(challenge(one)) }))
	take(client, "cleans one up", dns.HmacSHA256, update(func(m *dns.Msg) { m.Remove(challenge(one)) }))
	take(client, "cleans the other up", dns.HmacSHA256, update(func(m *dns.Msg) { m.Remove(challenge(two)) }))
}

func terraform() {
	const client = "Terraform"
	address := func(last int) []dns.RR {
		return []dns.RR{rr(fmt.Sprintf("web.gslb.example. 3600 A 192.0.2.%d", last))}
	}
	alias := func(target string) []dns.RR {
		return []dns.RR{rr(fmt.Sprintf("pages.gslb.example. 3600 CNAME %s", target))}
	}
	txt := func(text string) []dns.RR {
		return []dns.RR{rr(fmt.Sprintf("gslb.example. 3600 TXT \"%s\"", text))}
	}
	take(client, "creates dns_a_record_set", dns.HmacSHA256, update(func(m *dns.Msg) {
		m.Insert(address(20))
		m.Insert(address(21))
	}))
	take(client, "changes dns_a_record_set", dns.HmacSHA256, update(func(m *dns.Msg) {
		m.Remove(address(21))
		m.Insert(address(22))
	}))
	take(client, "creates dns_cname_record", dns.HmacSHA256, update(func(m *dns.Msg) { m.Insert(alias("web.gslb.example.")) }))
	take(client, "changes dns_cname_record", dns.HmacSHA256, update(func(m *dns.Msg) {
		m.Remove(alias("web.gslb.example."))
		m.Insert(alias("pages.example.net."))
	}))
	take(client, "creates dns_txt_record_set", dns.HmacSHA256, update(func(m *dns.Msg) { m.Insert(txt("v=spf1 -all")) }))
	// Also what stays is removed and inserted again.
	take(client, "changes dns_txt_record_set", dns.HmacSHA256, update(func(m *dns.Msg) {
		m.Remove(txt("v=spf1 -all"))
		m.Insert(txt("v=spf1 -all"))
		m.Insert(txt("verify=1"))
	}))
	for _, each := range []string{"web.gslb.example. 0 A", "pages.gslb.example. 0 CNAME", "gslb.example. 0 TXT"} {
		take(client, "deletes "+each, dns.HmacSHA256, update(func(m *dns.Msg) { m.RemoveRRset([]dns.RR{rr(each)}) }))
	}
}

func main() {
	if len(os.Args) > 1 {
		server = os.Args[1]
	}
	externalDNS()
	certManager()
	terraform()
	if server == "" {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		if err := out.Encode(recorded); err != nil {
			panic(err)
		}
	}
}
