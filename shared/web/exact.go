package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
)

var (
	errTwice    = errors.New("must not have a field twice")
	errSpelling = errors.New("has a field that is not known here; names are written exactly as /openapi.json has them")
)

// exact refuses names that encoding/json and huma would each take in their own
// way: one that stands twice in an object, and one that is a field's but for its
// case. Of "method" and "METHOD" huma would judge the first and the handler get
// the last, which nobody has judged. The document is one that was decoded into v.
func exact(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return exactValue(d, reflect.TypeOf(v))
}

func exactValue(d *json.Decoder, t reflect.Type) error {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	begins, err := d.Token()
	switch {
	case err != nil:
		return err
	case begins == json.Delim('{'):
		err = exactObject(d, fieldsOf(t))
	case begins == json.Delim('['):
		err = exactList(d, t)
	default:
		return nil
	}
	if err == nil {
		_, err = d.Token() // its end
	}
	return err
}

func exactList(d *json.Decoder, t reflect.Type) error {
	if t != nil && t.Kind() != reflect.Slice {
		t = nil
	}
	if t != nil {
		t = t.Elem()
	}
	for d.More() {
		if err := exactValue(d, t); err != nil {
			return err
		}
	}
	return nil
}

// exactObject takes nil fields for any names.
func exactObject(d *json.Decoder, fields map[string]reflect.Type) error {
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		field, known := fields[name]
		switch {
		case seen[name]:
			return errTwice
		case fields != nil && !known:
			return errSpelling
		}
		seen[name] = true
		if err := exactValue(d, field); err != nil {
			return err
		}
	}
	return nil
}

// fieldsOf are the fields of an object that is decoded into a struct, by their
// names in JSON; nil where it is decoded into anything else.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || f.Anonymous && name == "" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		fields[name] = f.Type
	}
	return fields
}
