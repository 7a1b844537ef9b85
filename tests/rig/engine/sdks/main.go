// Command sdks generates the SDKs of a package from its schema, as `pulumi package add` does.
//
//	sdks SCHEMA FOLDER   writes FOLDER/nodejs, FOLDER/python and FOLDER/go
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	gogen "github.com/pulumi/pulumi/pkg/v3/codegen/go"
	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

const tool = "the rig"

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: sdks SCHEMA FOLDER"))
	}
	contents, err := os.ReadFile(os.Args[1])
	fail(err)
	for name, generate := range map[string]func(*schema.Package) (map[string][]byte, error){
		"nodejs": func(pkg *schema.Package) (map[string][]byte, error) {
			return nodejs.GeneratePackage(tool, pkg, nil, nil, true, nil)
		},
		"python": func(pkg *schema.Package) (map[string][]byte, error) {
			return python.GeneratePackage(tool, pkg, nil, nil)
		},
		"go": func(pkg *schema.Package) (map[string][]byte, error) {
			return gogen.GeneratePackage(tool, pkg, nil)
		},
	} {
		// A generator changes the package that it is given.
		var spec schema.PackageSpec
		fail(json.Unmarshal(contents, &spec))
		pkg, diagnostics, err := schema.BindSpec(spec, schema.NewNullLoader(), schema.ValidationOptions{})
		fail(err)
		if len(diagnostics) > 0 {
			fail(diagnostics)
		}
		files, err := generate(pkg)
		fail(err)
		for path, text := range files {
			file := filepath.Join(os.Args[2], name, path)
			fail(os.MkdirAll(filepath.Dir(file), 0o755))
			fail(os.WriteFile(file, text, 0o644))
		}
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "sdks:", err)
		os.Exit(1)
	}
}
