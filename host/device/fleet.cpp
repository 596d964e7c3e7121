#include "host/device/fleet.hpp"

namespace gamlp {

TransportCounters Fleet::traffic() const {
  TransportCounters sum;
  for (int rank = 0; rank < size(); ++rank) {
    if (!local(rank)) continue;
    const TransportCounters one = context(rank).transport->counters();
    sum.bytes_sent += one.bytes_sent;
    sum.bytes_received += one.bytes_received;
    sum.messages_sent += one.messages_sent;
  }
  return sum;
}

DeviceTimes Fleet::times() const {
  DeviceTimes sum;
  for (int rank = 0; rank < size(); ++rank) {
    if (local(rank)) sum += context(rank).device->times();
  }
  return sum;
}

std::vector<MemoryUse> Fleet::memory() const {
  std::vector<MemoryUse> all;
  for (int rank = 0; rank < size(); ++rank) {
    if (local(rank)) all.push_back(context(rank).device->memory());
  }
  return all;
}

}  // namespace gamlp
