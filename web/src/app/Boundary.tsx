import { Component, type ReactNode } from 'react';
import i18next from 'i18next';
import { Button } from '../ui/Button';
import { Empty } from '../ui/State';

/** The last net: a fault in a view becomes a page that says how to go on. */
export class Boundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    if (!this.state.failed) return this.props.children;
    return (
      <div className="page person">
        <Empty
          icon="alert"
          title={i18next.t('app.crashed')}
          hint={i18next.t('app.crashedHint')}
          action={
            <Button look="primary" onClick={() => window.location.reload()}>
              {i18next.t('app.reload')}
            </Button>
          }
        />
      </div>
    );
  }
}
