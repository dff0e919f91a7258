// Internal to xds: what a rule does beside sending a request on: copies of it, cross-origin answers, keeping
// a client on one instance. Bytes already parsed, checked field by field.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <vector>

#include "base/result.h"
#include "model/service.h"

namespace weft::v1 {
class Cors;
class Mirror;
class SessionPersistence;
}  // namespace weft::v1

namespace weft::xds {

Result<std::vector<model::Mirror>> decode_mirrors(
    const google::protobuf::RepeatedPtrField<v1::Mirror>& in);
Result<model::Cors> decode_cors(const v1::Cors& in);
Result<model::SessionPersistence> decode_persistence(const v1::SessionPersistence& in);

}  // namespace weft::xds
