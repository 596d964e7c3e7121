#include "host/device/device.hpp"

#include "host/core/error.hpp"

namespace gamlp {

void Buffer::expects_fit(std::size_t wanted) const { expects(wanted <= bytes(), "a view fits into its buffer"); }

}  // namespace gamlp
