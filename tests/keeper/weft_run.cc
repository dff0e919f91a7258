// The one thing of weft_run.h that only the build knows.
#include "weft_run.h"

namespace weft::app {

std::string stand_in_program() { return STAND_IN; }

}  // namespace weft::app
