/** A dialog: the browser keeps the focus in it, Escape closes it, and the focus goes back where it was. */

import { type ReactNode, useEffect, useId, useRef } from "react";

import { IconButton } from "./Icon";

interface Props {
  readonly title: string;
  readonly wide?: boolean;
  /** None: it must be answered. */
  readonly onClose?: () => void;
  readonly children: ReactNode;
  readonly actions?: ReactNode;
}

export function Modal({ title, wide, onClose, children, actions }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const name = useId();
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      className={wide ? "modal wide" : "modal"}
      aria-labelledby={name}
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
      onKeyDown={(event) => event.stopPropagation()}
    >
      <header>
        <h2 id={name}>{title}</h2>
        {onClose && <IconButton icon="close" label="Close" onClick={onClose} />}
      </header>
      <div className="modal-body">{children}</div>
      {actions && <footer>{actions}</footer>}
    </dialog>
  );
}
