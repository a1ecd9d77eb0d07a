import { Component, type ReactNode } from 'react';

/** A net: a fault in the views inside it shows the fallback in their place. */
export class Boundary extends Component<
  { children: ReactNode; fallback: () => ReactNode },
  { failed: boolean }
> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    return this.state.failed ? this.props.fallback() : this.props.children;
  }
}
