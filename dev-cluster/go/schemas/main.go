// Schemas writes the JSON schemas that kubeconform checks manifests with: those of Kubernetes' own kinds from its
// OpenAPI document, those of our kinds from their CustomResourceDefinitions. Fields that a schema does not name are
// refused, as the API server does in strict mode.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

type object = map[string]any

const definitions = "definitions.json"

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("usage: schemas SWAGGER OUTPUT [CRD…]")
	}
	output := os.Args[2]
	if err := kubernetes(os.Args[1], output); err != nil {
		log.Fatalf("Kubernetes' kinds: %v", err)
	}
	for _, file := range os.Args[3:] {
		if err := custom(file, output); err != nil {
			log.Fatalf("%s: %v", file, err)
		}
	}
}

func kubernetes(swagger, output string) error {
	text, err := os.ReadFile(swagger)
	if err != nil {
		return err
	}
	text = []byte(strings.ReplaceAll(string(text), `"#/definitions/`, `"`+definitions+`#/definitions/`))
	var document struct {
		Definitions map[string]object `json:"definitions"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return err
	}
	for name, definition := range document.Definitions {
		strict(definition)
		switch {
		case strings.HasSuffix(name, ".IntOrString"), strings.HasSuffix(name, ".Quantity"):
			document.Definitions[name] = object{"type": []string{"string", "number"}}
		}
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		if len(kinds) != 1 { // what many groups share (DeleteOptions …) is in no manifest
			continue
		}
		kind := kinds[0].(object)
		reference := object{"$ref": definitions + "#/definitions/" + name}
		if err := write(output, schemaFile(kind["group"], kind["version"], kind["kind"]), reference); err != nil {
			return err
		}
	}
	return write(output, definitions, object{"definitions": document.Definitions})
}

func custom(file, output string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var crd struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct {
					OpenAPIV3Schema object `json:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return err
	}
	for _, version := range crd.Spec.Versions {
		schema := version.Schema.OpenAPIV3Schema
		properties, _ := schema["properties"].(object)
		if properties == nil {
			return fmt.Errorf("version %s has no schema", version.Name)
		}
		for _, name := range []string{"apiVersion", "kind"} {
			properties[name] = object{"type": "string"}
		}
		strict(schema)
		properties["metadata"] = object{"type": "object"}
		if err := write(output, schemaFile(crd.Spec.Group, version.Name, crd.Spec.Names.Kind), schema); err != nil {
			return err
		}
	}
	return nil
}

// strict closes every object that lists its properties, and takes Kubernetes' own marks for what they mean.
func strict(schema any) {
	switch schema := schema.(type) {
	case []any:
		for _, item := range schema {
			strict(item)
		}
	case object:
		if schema["x-kubernetes-int-or-string"] == true {
			delete(schema, "anyOf")
			schema["type"] = []string{"string", "number"}
		}
		if schema["nullable"] == true {
			if kind, ok := schema["type"].(string); ok {
				schema["type"] = []string{kind, "null"}
			}
		}
		delete(schema, "format") // Go's formats (int32, byte) are not JSON Schema's
		_, closed := schema["additionalProperties"]
		if _, lists := schema["properties"].(object); lists && !closed && schema["x-kubernetes-preserve-unknown-fields"] != true {
			schema["additionalProperties"] = false
		}
		for key, child := range schema {
			if key == "properties" { // here a key is a field's name, not a keyword
				for _, property := range child.(object) {
					strict(property)
				}
			} else if key != "default" && key != "enum" {
				strict(child)
			}
		}
	}
}

func schemaFile(group, version, kind any) string {
	short, _, _ := strings.Cut(fmt.Sprint(group), ".")
	if short != "" {
		short += "-"
	}
	return strings.ToLower(fmt.Sprintf("%v-%s%v.json", kind, short, version))
}

func write(folder, name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, name), text, 0o644)
}
