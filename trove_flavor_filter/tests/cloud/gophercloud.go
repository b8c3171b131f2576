//    Licensed under the Apache License, Version 2.0 (the "License"); you may
//    not use this file except in compliance with the License. You may obtain
//    a copy of the License at
//
//         http://www.apache.org/licenses/LICENSE-2.0
//
//    Unless required by applicable law or agreed to in writing, software
//    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
//    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
//    License for the specific language governing permissions and limitations
//    under the License.

// What a user of gophercloud sees of flavors that a datastore version allows.
//
// The arguments are a flavor, a datastore, one of its versions, and an
// instance. The cloud is that of the OS_* variables. Standard output is a JSON
// object: the names of the flavors that gophercloud lists, and the errors of a
// create and of a resize, empty if Trove has accepted the request.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack"
	"github.com/gophercloud/gophercloud/openstack/db/v1/flavors"
	"github.com/gophercloud/gophercloud/openstack/db/v1/instances"
)

type seen struct {
	Flavors []string `json:"flavors"`
	Create  string   `json:"create"`
	Resize  string   `json:"resize"`
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func main() {
	found, err := ask(os.Args[1], os.Args[2], os.Args[3], os.Args[4])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(found)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ask(flavor, datastore, version, instance string) (*seen, error) {
	options, err := openstack.AuthOptionsFromEnv()
	if err != nil {
		return nil, err
	}
	provider, err := openstack.AuthenticatedClient(options)
	if err != nil {
		return nil, err
	}
	client, err := openstack.NewDBV1(provider, gophercloud.EndpointOpts{
		Region: os.Getenv("OS_REGION_NAME")})
	if err != nil {
		return nil, err
	}
	pages, err := flavors.List(client).AllPages()
	if err != nil {
		return nil, err
	}
	listed, err := flavors.ExtractFlavors(pages)
	if err != nil {
		return nil, err
	}
	found := seen{Flavors: []string{}}
	for _, each := range listed {
		found.Flavors = append(found.Flavors, each.Name)
	}
	_, err = instances.Create(client, instances.CreateOpts{
		Name: "by-gophercloud", FlavorRef: flavor, Size: 1,
		Datastore: &instances.DatastoreOpts{
			Type: datastore, Version: version},
	}).Extract()
	found.Create = text(err)
	found.Resize = text(
		instances.Resize(client, instance, flavor).ExtractErr())
	return &found, nil
}
