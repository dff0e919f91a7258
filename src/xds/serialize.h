// A protobuf message as bytes. The same message always gives the same bytes: maps have no order of
// their own in protobuf, and a simulation and a name made of content want one.
#pragma once

#include <string>

namespace google::protobuf {
class Message;
}

namespace weft::xds {

std::string serialize(const google::protobuf::Message& message);

}  // namespace weft::xds
