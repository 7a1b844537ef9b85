// Serves the registries of a local cloud: for each host name a registry of its own, told apart by the Host header.
//
// The first line of output is the port on 127.0.0.1. Each line of input is the configuration of one more registry, and is
// answered by an empty line, or by what is wrong with it. It ends with its input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/sirupsen/logrus"
)

// addition is a line of input. Without a realm, whoever can reach the registry may do everything there.
type addition struct {
	Host, Folder, Realm, Service, Issuer, Keys string
}

type registries struct {
	lock   sync.RWMutex
	byHost map[string]http.Handler
}

func (all *registries) add(wanted addition) {
	settings := &configuration.Configuration{
		Storage: configuration.Storage{
			"filesystem":  {"rootdirectory": wanted.Folder},
			"maintenance": {"uploadpurging": map[any]any{"enabled": false}},
		},
	}
	settings.HTTP.RelativeURLs = true
	settings.HTTP.Secret = "of no use to anybody else"
	settings.Catalog.MaxEntries = 1000
	if wanted.Realm != "" {
		settings.Auth = configuration.Auth{"token": {
			"realm": wanted.Realm, "service": wanted.Service, "issuer": wanted.Issuer, "jwks": wanted.Keys,
		}}
	}
	app := handlers.NewApp(context.Background(), settings)
	all.lock.Lock()
	defer all.lock.Unlock()
	all.byHost[wanted.Host] = app
}

func (all *registries) ServeHTTP(answer http.ResponseWriter, request *http.Request) {
	all.lock.RLock()
	app := all.byHost[request.Host]
	all.lock.RUnlock()
	if app == nil {
		http.Error(answer, request.Host+": no such registry here", http.StatusMisdirectedRequest)
		return
	}
	app.ServeHTTP(answer, request)
}

func (all *registries) read(line []byte) (problem string) {
	// NewApp panics where it cannot use a configuration.
	defer func() {
		if found := recover(); found != nil {
			problem = fmt.Sprint(found)
		}
	}()
	var wanted addition
	if err := json.Unmarshal(line, &wanted); err != nil {
		return err.Error()
	}
	all.add(wanted)
	return ""
}

func main() {
	logrus.SetOutput(io.Discard)
	all := &registries{byHost: map[string]http.Handler{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() { _ = http.Serve(listener, all) }()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		fmt.Println(all.read(input.Bytes()))
	}
}
