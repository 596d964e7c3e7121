// A stream that passes every call on to another one. It is the base of streams that record, time or spoil what passes.
#pragma once

#include "host/device/device.hpp"

namespace gamlp {

class ForwardingStream : public Stream {
 public:
  explicit ForwardingStream(Stream& inner) : inner_(inner) {}
  void enqueue(const Op& op) override { inner_.enqueue(op); }
  void record(Event& event) override { inner_.record(event); }
  void wait(Event& event, const char* protects) override { inner_.wait(event, protects); }
  void label(const StepLabel& label) override { inner_.label(label); }
  void synchronize() override { inner_.synchronize(); }
  Stream& inner() { return inner_; }

 private:
  Stream& inner_;
};

}  // namespace gamlp
